import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { tinyDecoder } from '../../test/exactDecoders.ts'
import { sha256 } from './commit/sha256.ts'
import { everyKind } from './compliance/everyKind.ts'
import { cases } from './compliance.ts'
import { type Graph, valueOf } from './Graph.ts'
import { leafOf, leavesOf } from './judgeable.ts'
import { decoder } from './models/decoder.ts'
import { type Leaf, MalformedLeafError, readLeaf, writeLeaf } from './readLeaf.ts'
import { decoderTrainingGraph } from './train/trainingGraph.ts'

const title = (name: string) => sha256(new TextEncoder().encode(name))

/** What a leaf of a graph must say. */
function expected(graph: Graph, index: number): Leaf {
  const { state, batch, ops, next, results } = graph
  if (index < state.length) {
    const { name, dtype, shape } = state[index]!
    return { kind: 'state', dtype, shape, name: title(name), next: next[index]! }
  }
  const slot = batch[index - state.length]
  if (slot) return { kind: 'batch', dtype: slot.dtype, shape: slot.shape, name: title(slot.name) }
  const node = ops[index - state.length - batch.length]
  if (node) {
    const { op, dtype, shape } = node
    const inputs = node.inputs.map((at) => {
      const value = valueOf(graph, at)
      return { index: at, dtype: value.dtype, shape: value.shape }
    })
    return { kind: 'op', op, dtype, shape, inputs }
  }
  const result = results[index - state.length - batch.length - ops.length]!
  const { dtype, shape } = valueOf(graph, result.value)
  return { kind: 'result', dtype, shape, name: title(result.name), value: result.value }
}

function expectReadBack(graph: Graph): void {
  leavesOf(graph).forEach((bytes, index) => {
    const leaf = readLeaf(bytes)
    expect(leaf).toEqual(expected(graph, index))
    expect(writeLeaf(leaf)).toEqual(bytes)
  })
}

describe('readLeaf', () => {
  test('reads every leaf of a graph of every kind', () => expectReadBack(everyKind()))

  test('reads every leaf of the compliance suite', () => {
    for (const { graph } of cases()) expectReadBack(graph)
  })

  test.each(['f32', 'i8', 'i8x3'] as const)("reads a decoder's training step in %s", (profile) => {
    const profiles = { attention: profile, feedForward: profile, head: profile }
    const model = decoder({ ...tinyDecoder, profiles })
    const optimiser = { kind: 'adamw', weightDecay: 0.1 } as const
    expectReadBack(
      decoderTrainingGraph(model, { rows: 2, length: 4, optimiser, schedule: { rate: 0.01 } }),
    )
  })

  const leaves = leavesOf(everyKind())

  test('refuses any byte changed, or gives what that leaf says', () => {
    const place = fc.tuple(fc.nat(leaves.length - 1), fc.nat(), fc.integer({ min: 1, max: 255 }))
    fc.assert(
      fc.property(place, ([which, at, change]) => {
        const bytes = leaves[which]!.slice()
        bytes[at % bytes.length]! ^= change
        holds(bytes)
      }),
      { numRuns: 3000 },
    )
  })

  test('refuses words changed, or gives what that leaf says', () => {
    const odd = fc.constantFrom(0, 1, 2, 3, 6, 7, 14, 64, 65, 255, 2 ** 16, 2 ** 31, 2 ** 32 - 1)
    fc.assert(
      fc.property(fc.nat(leaves.length - 1), fc.nat(), odd, (which, at, value) => {
        const bytes = leaves[which]!.slice()
        new DataView(bytes.buffer).setUint32((at % (bytes.length / 32)) * 32 + 28, value)
        holds(bytes)
      }),
      { numRuns: 1000 },
    )
  })

  test('refuses every leaf with words cut off or added', () => {
    for (const leaf of leaves) {
      for (let end = 0; end < leaf.length; end += 32)
        expect(() => readLeaf(leaf.subarray(0, end))).toThrow(MalformedLeafError)
      const longer = Uint8Array.from([...leaf, ...new Uint8Array(32)])
      expect(() => readLeaf(longer)).toThrow(MalformedLeafError)
    }
  })

  const f32 = { dtype: 'f32', shape: [2, 3] } as const

  test.each([
    ['a leaf too long', new Uint8Array(32 * 900), /16 to \d+ whole words/],
    ['half a word', leaves[0]!.subarray(1), /whole words/],
    ['a kind that is none', leaves[0]!.with(31, 99), /No kind has the number 99/],
    ['more inputs than there may be', leaves[5]!.with(15 * 32 + 31, 65), /at most 64/],
    ['a number past 32 bits', leaves[5]!.with(2 * 32 + 27, 1), /more than 32 bits/],
    [
      'a shape that does not follow',
      leafOf({
        kind: 'reshape',
        ...f32,
        attributes: [],
        read: [{ index: 0, dtype: 'f32', shape: [7] }],
      }),
      /cannot make \[2, 3\]/,
    ],
    [
      'an axis that is not there',
      leafOf({ kind: 'reduce', ...f32, attributes: [0, 5], read: [{ index: 0, ...f32 }] }),
      /no axis 5/,
    ],
    [
      'an attribute that means nothing',
      leafOf({
        kind: 'reshape',
        ...f32,
        attributes: [1],
        read: [{ index: 0, dtype: 'f32', shape: [6] }],
      }),
      /not canonical/,
    ],
    ['an op without what it reads', leafOf({ kind: 'gather', ...f32, attributes: [] }), /reads 2/],
  ])('refuses %s', (_what, bytes, message) => {
    expect(() => readLeaf(bytes)).toThrow(message)
    expect(() => readLeaf(bytes)).toThrow(MalformedLeafError)
  })

  test('reads a leaf that stands in the middle of other bytes', () => {
    const around = new Uint8Array(leaves[6]!.length + 10)
    around.set(leaves[6]!, 5)
    expect(readLeaf(around.subarray(5, -5))).toEqual(readLeaf(leaves[6]!))
  })
})

/** Whatever the bytes: a leaf that is written as them, or an error of ours. */
function holds(bytes: Uint8Array): void {
  try {
    expect(writeLeaf(readLeaf(bytes))).toEqual(bytes)
  } catch (error) {
    if (!(error instanceof MalformedLeafError)) throw error
  }
}
