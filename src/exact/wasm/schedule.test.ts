import { describe, expect, test } from 'vitest'
import { cases } from '../compliance.ts'
import * as Graph from '../Graph.ts'
import * as Ops from '../ops.ts'
import { input } from '../Tensor.ts'
import { schedule } from './schedule.ts'

describe('schedule', () => {
  test('runs each op once, after all that it reads', () => {
    for (const { name, graph } of cases()) {
      const order = schedule(graph)
      const first = graph.state.length + graph.batch.length
      expect(new Set(order).size, name).toBe(graph.ops.length)
      const at = new Map(order.map((op, position) => [first + op, position]))
      graph.ops.forEach(({ inputs }, op) => {
        for (const value of inputs)
          expect(at.get(value) ?? -1, name).toBeLessThan(at.get(first + op)!)
      })
    }
  })

  test('lets the next state wait for those who read the old one', () => {
    const a = input('state', 'a', 'f32', [2])
    const b = input('state', 'b', 'f32', [2])
    const graph = Graph.from({
      state: [
        [a, Ops.neg(a)],
        [b, Ops.exp(a)],
      ],
      results: {},
    })
    expect(schedule(graph)).toEqual([1, 0])
  })

  test('gives up waiting in a circle', () => {
    const a = input('state', 'a', 'f32', [2])
    const b = input('state', 'b', 'f32', [2])
    const graph = Graph.from({
      state: [
        [a, Ops.neg(b)],
        [b, Ops.exp(a)],
      ],
      results: {},
    })
    expect(new Set(schedule(graph))).toEqual(new Set([0, 1]))
  })
})
