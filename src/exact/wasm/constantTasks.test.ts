import { describe, expect, test } from 'vitest'
import * as Graph from '../Graph.ts'
import * as Ops from '../ops.ts'
import { reference } from '../reference.ts'
import { input, transpose } from '../Tensor.ts'
import { constantTasks } from './constantTasks.ts'
import { startWasm } from './startWasm.ts'

const weights = input('state', 'weights', 'f32', [9, 12])
const other = input('state', 'other', 'f32', [9, 12])
const x = input('batch', 'x', 'f32', [3, 12])
const graph = Graph.from({
  state: [
    [weights, weights],
    [other, Ops.exp(weights)],
  ],
  batch: [x],
  results: {
    y: Ops.linear(x, weights, 'i8'),
    z: Ops.add(Ops.linear(x, Ops.neg(weights)), Ops.linear(x, weights)),
    table: transpose(weights, [1, 0]),
    changing: Ops.sum(other),
  },
})

const bytes = (length: number, seed: number) =>
  new Uint8Array(Float32Array.from({ length }, (_, i) => Math.sin(i * seed + seed)).buffer)

describe('constantTasks', () => {
  const { ops, isConstant, isPackedForGood } = constantTasks(graph)

  test('are those that read only constants', () => {
    const readsX = (op: number): boolean =>
      graph.ops[op]!.inputs.some((value) => value === 2 || (value > 2 && readsX(value - 3)))
    graph.ops.forEach(({ inputs }, op) =>
      expect(ops.has(op)).toBe(!readsX(op) && !inputs.includes(1)),
    )
    expect([isConstant(0), isConstant(1), isConstant(2)]).toEqual([true, false, false])
  })

  test('panels of constant right operands are packed for good', () => {
    const products = graph.ops.flatMap(({ op, inputs }, index) =>
      op.kind.startsWith('contract') ? [[index, inputs] as const] : [],
    )
    expect(products).toHaveLength(3)
    for (const [op, [left, right]] of products) {
      expect(isPackedForGood(op, right!)).toBe(true)
      expect(isPackedForGood(op, left!)).toBe(false)
    }
  })

  test.each([1, 2])(
    'are computed anew when a constant is written, on %i threads',
    async (threads) => {
      await using backend = await startWasm({ threads, aloneBelow: 0, now: () => 0 })
      await using fast = await backend.prepare(graph)
      await using plain = await reference.prepare(graph)
      for (const seed of [1, 1, 2, 2, 3]) {
        for (const executable of [fast, plain]) {
          if (seed !== 2) executable.writeState(0, bytes(108, seed))
          executable.writeState(1, bytes(108, seed + 9))
        }
        expect(fast.step([bytes(36, seed)])).toEqual(plain.step([bytes(36, seed)]))
        for (const slot of [0, 1]) expect(fast.readState(slot)).toEqual(plain.readState(slot))
      }
    },
  )
})
