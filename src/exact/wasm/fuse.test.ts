import { describe, expect, test } from 'vitest'
import * as Elementwise from '../Elementwise.ts'
import * as Graph from '../Graph.ts'
import * as Ops from '../ops.ts'
import { contract, input, map, reduce, reshape, type Tensor } from '../Tensor.ts'
import { fuse } from './fuse.ts'
import { startWasm } from './startWasm.ts'

const x = input('batch', 'x', 'f32', [6, 40])
const row = input('batch', 'row', 'f32', [40])
const column = input('batch', 'column', 'f32', [6, 1])

function graphOf(results: Readonly<Record<string, Tensor>>): Graph.Graph {
  return Graph.from({ state: [], batch: [x, row, column], results })
}

const kinds = (graph: Graph.Graph) => fuse(graph).ops.map(({ op }) => op.kind)

describe('fuse', () => {
  test('makes one task of a chain of maps, and of maps with the reduction that reads them', () => {
    expect(kinds(graphOf({ y: Ops.mul(Ops.mul(x, column), row) }))).toEqual(['map'])
    expect(kinds(graphOf({ y: Ops.sum(Ops.mul(Ops.exp(x), row)) }))).toEqual(['reduce'])
    const magnitudes = map(Elementwise.magnitude, [x])
    const both = { a: reduce('max', magnitudes, 0), b: reduce('max', magnitudes, 1) }
    expect(kinds(graphOf(both))).toEqual(['reduce', 'reduce'])
  })

  test('writes constants into the programs that read them', () => {
    const tasks = fuse(graphOf({ y: Ops.add(Ops.mul(x, Ops.constant(3)), Ops.constant(1e-40)) }))
    expect(tasks.ops).toHaveLength(1)
    expect(tasks.ops[0]!.inputs).toEqual([0])
  })

  test('keeps what others read: results, products, two maps where it is dear, other shapes', () => {
    const y = Ops.exp(x)
    expect(kinds(graphOf({ y, z: Ops.neg(y) }))).toEqual(['map', 'map'])
    expect(kinds(graphOf({ z: contract(y, x, { transposeB: true }) }))).toEqual(['map', 'contract'])
    expect(kinds(graphOf({ a: Ops.neg(y), b: Ops.sqrt(y) }))).toEqual(['map', 'map', 'map'])
    expect(kinds(graphOf({ z: Ops.mul(x, Ops.exp(column)) }))).toEqual(['map', 'map'])
    expect(kinds(graphOf({ z: Ops.neg(reshape(y, [240])) }))).toEqual(['map', 'reshape', 'map'])
  })

  test('names the op whose value a task gives', () => {
    const tasks = fuse(graphOf({ y: Ops.neg(Ops.sqrt(Ops.exp(x))), z: Ops.max(x) }))
    expect(tasks.ops.map(({ source }) => source)).toEqual([2, 3])
  })

  test('reads no more than ten values at once', () => {
    const names = Array.from({ length: 14 }, (_, index) => `v${index}`)
    const slots = names.map((name) => input('state', name, 'f32', [8]))
    const total = slots.reduce(Ops.add)
    const state = slots.map((slot) => [slot, slot] as const)
    const tasks = fuse(Graph.from({ state, results: { total } }))
    expect(tasks.ops.map(({ inputs }) => inputs.length)).toEqual([10, 5])
  })

  test('flushes and unifies NaN between programs as when they were two', async () => {
    const tiny = Ops.constant(2 ** -100)
    const values = [2 ** -20, 2 ** -60, -(2 ** -60), NaN, Infinity, -0]
    const y = Ops.mul(Ops.mul(x, tiny), Ops.constant(2 ** 100))
    const bits = map(Elementwise.magnitude, [Ops.mul(Ops.mul(x, tiny), Ops.constant(2 ** 100))])
    await using backend = await startWasm()
    await using executable = await backend.prepare(graphOf({ y, sum: Ops.sum(y), bits }))
    const floats = Float32Array.from({ length: 240 }, (_, index) => values[index % 6]!)
    const bytes = [floats, new Float32Array(40), new Float32Array(6)]
    const [found, , magnitudes] = executable.step(bytes.map(({ buffer }) => new Uint8Array(buffer)))
    const read = (each: Uint8Array | undefined) => [
      ...new Uint32Array(each!.slice().buffer).subarray(0, 6),
    ]
    expect(read(found)).toEqual([
      0x3580_0000, 0, 0x8000_0000, 0x7fc0_0000, 0x7f80_0000, 0x8000_0000,
    ])
    expect(read(magnitudes)).toEqual([0x3580_0000, 0, 0, 0x7fc0_0000, 0x7f80_0000, 0])
  })
})
