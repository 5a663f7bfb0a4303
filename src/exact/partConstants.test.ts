import { describe, expect, test } from 'vitest'
import { allIn, bytesOfFloats, tinyDecoder } from '../../test/exactDecoders.ts'
import type { Backend } from './Backend.ts'
import { checkGraph } from './checkGraph.ts'
import { decodingGraph } from './generate/decodingGraph.ts'
import { startParted } from './generate/startParted.ts'
import * as Graph from './Graph.ts'
import { decoder } from './models/decoder.ts'
import * as Ops from './ops.ts'
import { partConstants } from './partConstants.ts'
import { reference } from './reference.ts'
import { broadcast, byteLength, input } from './Tensor.ts'
import { bytesOf, drawParameters } from './train/startRun.ts'
import { startWasm } from './wasm/startWasm.ts'

const weights = input('state', 'weights', 'f32', [4, 6])
const count = input('state', 'count', 'f32', [])
const x = input('batch', 'x', 'f32', [2, 6])
const small = Graph.from({
  state: [
    [weights, weights],
    [count, Ops.add(count, Ops.sumAll(weights))],
  ],
  batch: [x],
  results: { y: Ops.linear(x, weights, 'i8'), total: Ops.sumAll(weights) },
})

describe('partConstants', () => {
  const { ahead, step, sources } = partConstants(small)

  test('leaves weights as integers with scales, and no f32 of them', () => {
    const told = step.state.map(({ dtype, shape }) => `${dtype} [${shape.join(', ')}]`)
    expect(told.toSorted()).toEqual(['f32 [4]', 'f32 []', 'f32 []', 'i8 [4, 6]'])
    expect(sources[0]).toEqual({ kind: 'state', slot: 1 })
    expect(sources.filter(({ kind }) => kind === 'ahead')).toHaveLength(3)
    expect(ahead.state).toEqual([small.state[0]])
    expect(ahead.results).toHaveLength(3)
  })

  test('makes two graphs that are well formed', () => {
    expect(checkGraph(structuredClone(step))).toEqual(step)
    expect(checkGraph(structuredClone(ahead))).toEqual(ahead)
    expect(step.ops.length + ahead.ops.length).toBe(small.ops.length)
  })

  test('takes nothing out that would only grow', () => {
    const grown = broadcast(weights, [3, 4, 6])
    const graph = Graph.from({ state: [[weights, weights]], results: { grown } })
    const parted = partConstants(graph)
    expect(parted.step).toEqual(graph)
    expect(parted.ahead.results).toEqual([])
  })

  test('leaves a graph without constants as it is', () => {
    const graph = Graph.from({ state: [[count, Ops.add(count, count)]], results: { count } })
    expect(partConstants(graph).step).toEqual(graph)
  })
})

describe('startParted', () => {
  const config = { ...tinyDecoder, layers: 2 }

  test.each(['f32', 'i8', 'i8x3'] as const)(
    'gives the bits of the whole graph, at every step, on both back ends: %s',
    async (profile) => {
      const model = decoder({ ...config, profiles: allIn(profile) })
      const constants = await drawParameters({ backend: reference }, { ...model, seed: [5, 6] })
      const graph = decodingGraph(model)
      await using wasm = await startWasm()
      const expected = await textOf(reference, graph, constants)
      for (const backend of [reference, wasm]) {
        await using whole = await backend.prepare(graph)
        const { executable, slotOf } = await startParted({ backend }, { graph, constants })
        await using parted = executable
        expect(run(parted)).toEqual(expected)
        const cache = constants.length + 1
        constants.forEach((bytes, slot) => whole.writeState(slot, bytes))
        run(whole)
        expect(parted.readState(slotOf(cache)!)).toEqual(whole.readState(cache))
      }
    },
  )

  test('keeps a quarter of the bytes of matrices in i8', async () => {
    const model = decoder({ ...config, isTied: false, profiles: allIn('i8') })
    const constants = await drawParameters({ backend: reference }, { ...model, seed: [5, 6] })
    const { step } = partConstants(decodingGraph(model))
    const bytes = (dtype: string) =>
      step.state
        .filter((slot) => slot.dtype === dtype && slot.name.startsWith('constant'))
        .reduce((sum, slot) => sum + byteLength(slot), 0)
    const matrices = model.parameters.filter(
      ({ slot, isTrained }, index) => isTrained && slot.shape.length === 2 && index > 0,
    )
    const before = matrices.reduce((sum, { slot }) => sum + byteLength(slot), 0)
    expect(bytes('i8')).toBe(before / 4)
    expect(bytes('f32')).toBe(4 * matrices.reduce((sum, { slot }) => sum + slot.shape[0]!, 0))
    expect(constants).toHaveLength(model.parameters.length)
  })
})

async function textOf(backend: Backend, graph: Graph.Graph, constants: readonly Uint8Array[]) {
  await using whole = await backend.prepare(graph)
  constants.forEach((bytes, slot) => whole.writeState(slot, bytes))
  return run(whole)
}

function run({ step }: { step: (batch: readonly Uint8Array[]) => readonly Uint8Array[] }) {
  const words = (value: number) => bytesOf(Uint32Array.of(value))
  return [3, 100, 7, 7, 64].map((token, position) =>
    step([words(token), words(position), bytesOfFloats([1])]).map((bytes) => bytes.slice()),
  )
}
