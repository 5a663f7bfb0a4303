import { describe, expect, test } from 'vitest'
import { decoderTraining, generation } from '../../../test/exactRuns.ts'
import * as Compliance from '../../exact/compliance.ts'
import { everyKind } from '../../exact/compliance/everyKind.ts'
import type { Graph } from '../../exact/Graph.ts'
import { kindNumbers, leavesOf } from '../../exact/judgeable.ts'
import { bitsOf } from '../../exact/Program.ts'
import { readLeaf } from '../../exact/readLeaf.ts'
import { reference } from '../../exact/reference.ts'
import { evaluate, OperandError } from './evaluate.ts'
import { accumulatorsOf } from './operandsOf.ts'
import { chainOf, type Judged, readsOf } from './readsOf.ts'

describe('evaluate', () => {
  test('judges every kind of op as the reference computes it', async () => {
    const seen = new Set<string>()
    for (const each of Compliance.cases()) await compareCase(each, seen)
    await compareCase(caseOf(everyKind()), seen)
    const kinds = Object.keys(kindNumbers).filter((kind) => kind !== 'state' && kind !== 'result')
    expect([...seen].toSorted()).toEqual(kinds.filter((kind) => kind !== 'batch').toSorted())
  })

  test.each(['f32', 'i8', 'i8x3'] as const)('judges training in %s', async (profile) => {
    const { graph, start, batch } = await decoderTraining({ profile })
    await compareCase({ name: profile, graph, state: start, batches: [batch(0)] })
  })

  test('judges a generation', async () => {
    const { graph, start } = await generation()
    await compareCase({ name: 'generation', graph, state: start, batches: [[]] })
  })

  test('refuses operands and accumulators of another length', () => {
    const leaf = leafOf(everyKind(), 'contract')
    const acc = new Uint8Array(4)
    const operands = new Uint8Array(8 * 6)
    const place = { element: 0, segment: 0 }
    expect(evaluate(leaf, place, acc, operands)).toEqual(acc)
    expect(() => evaluate(leaf, place, acc, operands.subarray(1))).toThrow(OperandError)
    expect(() => evaluate(leaf, place, new Uint8Array(5), operands)).toThrow(OperandError)
    expect(() => evaluate(leaf, { ...place, segment: 1 }, acc, operands)).toThrow('reads 0 bytes')
  })

  test('keeps one NaN between segments, and adds integers modulo 2^32', () => {
    const graph = everyKind()
    const nan = bytesOf(0xffc1_2345)
    const zeros = new Uint8Array(48)
    const place = { element: 0, segment: 0 }
    const after = evaluate(leafOf(graph, 'contract'), place, nan, zeros)
    expect(new Uint32Array(after.buffer)[0]).toBe(0x7fc0_0000)
    const ones = new Uint8Array(8).fill(1)
    const high = evaluate(leafOf(graph, 'contract-i8'), place, bytesOf(0x7fff_ffff), ones)
    expect(new Uint32Array(high.buffer)[0]).toBe(0x8000_0003)
  })
})

describe('readsOf', () => {
  test('goes on after an index as far as the index allows', () => {
    const leaf = leafOf(everyKind(), 'gather')
    const place = { element: 8, segment: 0 }
    const index = { input: 1, element: 1, bytes: 4 }
    expect(readsOf(leaf, place, new Uint8Array(3))).toEqual([index])
    expect(readsOf(leaf, place, bytesOf(4))).toEqual([index])
    expect(readsOf(leaf, place, bytesOf(3))).toEqual([index, { input: 0, element: 20, bytes: 4 }])
  })
})

describe('chainOf', () => {
  test('begins at zero, or at minus infinity for a maximum', () => {
    const graph = everyKind()
    const minus = new Uint32Array(16).fill(bitsOf(-Infinity))
    expect(chainOf(leafOf(graph, 'reduce'))).toEqual({
      segments: 1,
      width: 64,
      initial: new Uint8Array(minus.buffer),
    })
    expect(chainOf(leafOf(graph, 'map'))).toMatchObject({ segments: 0, width: 4 })
  })
})

/** Judges the first, the last and some other elements of each value of the first step. */
async function compareCase(each: Compliance.Case, seen = new Set<string>()): Promise<void> {
  const { graph, state, batches } = each
  const slots = graph.state.length + graph.batch.length
  const results = graph.ops.map((_, index) => ({ name: `${index}`, value: slots + index }))
  await using executable = await reference.prepare({ ...graph, results })
  state.forEach((bytes, index) => executable.writeState(index, bytes))
  const computed = executable.step(batches[0]!)
  const values = [...state, ...batches[0]!, ...computed]
  leavesOf(graph)
    .slice(slots, slots + graph.ops.length)
    .forEach((bytes, index) => {
      const leaf = judged(bytes)
      if (leaf.kind === 'op') seen.add(leaf.op.kind)
      const width = leaf.dtype === 'i8' ? 1 : 4
      const value = values[slots + index]!
      const count = value.byteLength / width
      for (const element of new Set([0, count - 1, (index * 7919) % count, (index * 31) % count])) {
        const stored = new Uint8Array(4)
        stored.set(value.subarray(element * width, (element + 1) * width))
        const found = last(leaf, element, values)
        expect([...found], `${each.name}, op ${index}, element ${element}`).toEqual([...stored])
      }
    })
}

function last(leaf: Judged, element: number, values: readonly Uint8Array[]): Uint8Array {
  if (leaf.kind === 'batch') return new Uint8Array(4)
  const reader = ({ input, element: at, bytes }: ReturnType<typeof readsOf>[number]) =>
    values[leaf.inputs[input as number]!.index]!.subarray(at * bytes, (at + 1) * bytes)
  return [...accumulatorsOf(leaf, element, reader)].at(-1)!
}

function caseOf(graph: Graph): Compliance.Case {
  const random = (length: number, salt: number) =>
    Uint8Array.from({ length }, (_, at) => ((at + salt) * 2_654_435_761) >>> 19)
  const sized = (slots: Graph['state']) =>
    slots.map(({ name, shape }, index) =>
      name === 'weights' || name === 'seed'
        ? random(4 * shape.reduce((a, b) => a * b, 1), index)
        : new Uint8Array(4 * shape.reduce((a, b) => a * b, 1)).map((_, at) =>
            at % 4 ? 0 : at % 3,
          ),
    )
  return { name: 'every kind', graph, state: sized(graph.state), batches: [sized(graph.batch)] }
}

function leafOf(graph: Graph, kind: string): Judged {
  const slots = graph.state.length + graph.batch.length
  const index = graph.ops.findIndex(({ op }) => op.kind === kind)
  return judged(leavesOf(graph)[slots + index]!)
}

function judged(bytes: Uint8Array): Judged {
  const leaf = readLeaf(bytes)
  if (leaf.kind !== 'op' && leaf.kind !== 'batch') throw new TypeError(leaf.kind)
  return leaf
}

function bytesOf(word: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(word).buffer)
}
