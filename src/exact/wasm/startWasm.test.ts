import { describe, expect, test } from 'vitest'
import { BackendError, BatchError } from '../Backend.ts'
import { bytesOf, type Case, source, type Spec } from '../compliance/Case.ts'
import * as Compliance from '../compliance.ts'
import * as Elementwise from '../Elementwise.ts'
import * as Graph from '../Graph.ts'
import * as Ops from '../ops.ts'
import {
  concat,
  contract,
  contractI8,
  count,
  gather,
  input,
  map,
  reshape,
  scatterAdd,
  slice,
  type Tensor,
  transpose,
} from '../Tensor.ts'
import { startWasm } from './startWasm.ts'

/** Every way of running: the bits are the same. */
const ways: Readonly<Record<string, startWasm.Options>> = {
  'one thread': {},
  'two threads': { threads: 2, aloneBelow: 0 },
  'three threads': { threads: 3, aloneBelow: 0 },
  'emulated multiply-add': { fusion: 'emulated' },
  'integers in 16 bits': { dot: 'i16' },
  'integers in fours': { dot: 'quads', integerTile: { rows: 4, vectors: 2 } },
  'wide tiles': { revectorize: true },
  'small tiles': { tile: { rows: 1, vectors: 1 }, integerTile: { rows: 1, vectors: 3 } },
}

describe.each(Object.entries(ways))('startWasm: %s', (_, options) => {
  test('passes the compliance suite', async () => {
    await using backend = await startWasm(options)
    for (const each of Compliance.cases()) {
      const found = await Compliance.fingerprint(backend, each)
      if (found !== Compliance.golden[each.name])
        expect.fail((await Compliance.compare(backend, each)) ?? `${each.name} is not golden`)
    }
  })

  test('gives what the reference gives on random graphs', async () => {
    await using backend = await startWasm(options)
    for (let seed = 0; seed < 25; seed++)
      expect(await Compliance.compare(backend, randomCase(seed))).toBeUndefined()
  })
})

describe('startWasm', () => {
  test('packs constant weights again when they are written', async () => {
    const [weights, x] = [input('state', 'w', 'f32', [9, 5]), input('batch', 'x', 'f32', [3, 5])]
    const graph = Graph.from({
      state: [[weights, weights]],
      batch: [x],
      results: { y: Ops.linear(x, weights), z: contract(x, weights, { transposeB: true }) },
    })
    await using backend = await startWasm()
    await using executable = await backend.prepare(graph)
    const ones = new Uint8Array(new Float32Array(15).fill(1).buffer)
    for (const value of [1, 2, 7]) {
      executable.writeState(0, new Uint8Array(new Float32Array(45).fill(value).buffer))
      for (let again = 0; again < 2; again++) {
        const floats = executable
          .step([ones])
          .map((bytes) => new Float32Array(bytes.slice().buffer))
        expect(new Set([...floats[0]!, ...floats[1]!])).toEqual(new Set([5 * value]))
      }
    }
  })

  test('multiplies constant integers that leave seven bits, and then such that do not', async () => {
    const a = input('batch', 'a', 'i8', [2, 6])
    const b = input('state', 'b', 'i8', [6, 3])
    const scales = { scaleA: Ops.constant(1, [2]), scaleB: Ops.constant(1, [3]) }
    const graph = Graph.from({
      state: [[b, b]],
      batch: [a],
      results: { y: contractI8({ a, b, ...scales }) },
    })
    await using backend = await startWasm()
    await using executable = await backend.prepare(graph)
    for (const value of [63, -128, 5, 127]) {
      executable.writeState(0, new Uint8Array(18).fill(value))
      const [y] = executable.step([new Uint8Array(12).fill(-128)])
      const sums = new Float32Array(y!.slice().buffer)
      expect(new Set(sums)).toEqual(new Set([6 * -128 * new Int8Array([value])[0]!]))
    }
  })

  test('holds less memory than all values together', async () => {
    let x: Tensor = input('batch', 'x', 'f32', [256, 256])
    const batch = [x]
    for (let i = 0; i < 40; i++) x = Ops.sigmoid(contract(x, x))
    const graph = Graph.from({ state: [], batch, results: { x } })
    await using backend = await startWasm()
    await using executable = await backend.prepare(graph)
    expect(executable.memoryBytes).toBeLessThan(8 * 256 * 256 * 4)
  })

  test('refuses what does not fit', async () => {
    await expect(startWasm({ threads: 9 })).rejects.toThrow(BackendError)
    await expect(startWasm({ threads: 0 })).rejects.toThrow('1 to 8 threads')
    await using backend = await startWasm()
    const { graph } = randomCase(0)
    const executable = await backend.prepare(graph)
    expect(() => executable.step([])).toThrow(BatchError)
    expect(() => executable.writeState(0, new Uint8Array(1))).toThrow(BatchError)
    expect(() => executable.readState(99)).toThrow('none is 99')
    await executable[Symbol.asyncDispose]()
    expect(() => executable.step([])).toThrow('disposed')
    const signal = AbortSignal.abort()
    await expect(backend.prepare(graph, { signal })).rejects.toThrow()
  })
})

/** Ops at random over tensors of a few sizes; state that is updated, kept and exchanged; three steps. */
function randomCase(seed: number): Case {
  const name = `random graph ${seed}`
  const next = source(name)
  const [rows, width] = [1 + (next() % 40), 1 + (next() % 40)]
  const specs: readonly Spec[] = [
    { shape: [rows, width] },
    { shape: [width, width] },
    { shape: [width] },
  ]
  const batchSpecs: readonly Spec[] = [
    { shape: [rows, width] },
    { dtype: 'u32', shape: [rows], fill: { below: rows, astray: true } },
  ]
  const slots = (kind: 'state' | 'batch', list: readonly Spec[]) =>
    list.map(({ dtype = 'f32', shape }, index) => input(kind, `${kind}${index}`, dtype, shape))
  const state = slots('state', specs) as [Tensor, Tensor, Tensor]
  const batch = slots('batch', batchSpecs) as [Tensor, Tensor]
  const matrices = [state[0], batch[0]]
  const pick = () => matrices[next() % matrices.length]!
  const steps: readonly (() => Tensor)[] = [
    () => Ops.add(pick(), pick()),
    () => Ops.mul(pick(), state[2]),
    () => Ops.fma(pick(), pick(), Ops.mean(pick())),
    () => Ops.sigmoid(pick()),
    () => contract(pick(), state[1], { transposeB: next() % 2 === 0 }),
    () => contract(contract(pick(), pick(), { transposeB: true }), pick()),
    () => Ops.linear(pick(), state[1], 'i8'),
    () => Ops.softmax(pick()),
    () => Ops.sub(pick(), Ops.sum(pick(), 0)),
    () => Ops.mul(pick(), Ops.max(pick(), -1)),
    () => transpose(reshape(transpose(pick(), [1, 0]), [width, rows]), [1, 0]),
    () => gather(pick(), batch[1]),
    () => scatterAdd(pick(), batch[1], rows),
    () => slice(concat([pick(), pick()], 0), [next() % (rows + 1), 0], [rows, width]),
    () => Ops.rmsNorm(pick(), state[2], 1e-5),
  ]
  for (let i = 0; i < 14; i++) {
    const made = steps[next() % steps.length]!()
    matrices.push(map(Elementwise.minimum, [made, Ops.constant(3)]))
  }
  const graph = Graph.from({
    state: [
      [state[0], pick()],
      [
        state[1],
        Ops.sub(state[1], Ops.scale(contract(pick(), pick(), { transposeA: true }), 0.01)),
      ],
      [state[2], next() % 2 === 0 ? state[2] : reshape(Ops.sum(pick(), 0), [width])],
    ],
    batch,
    results: { some: pick(), total: Ops.sumAll(pick()), last: matrices.at(-1)! },
  })
  expect(count([rows, width])).toBeGreaterThan(0)
  const used = batch.map((_, index) => batchSpecs[index]!)
  const batches = [0, 1, 2].map((step) => bytesOf(name, used, step))
  return { name, graph, state: bytesOf(`${name} state`, specs, 0), batches }
}
