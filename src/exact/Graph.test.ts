import { describe, expect, test } from 'vitest'
import * as Graph from './Graph.ts'
import * as Ops from './ops.ts'
import { input, type Tensor } from './Tensor.ts'

const weights = input('state', 'weights', 'f32', [2])
const x = input('batch', 'x', 'f32', [2])

describe('from', () => {
  test('numbers state, batch and ops, and leaves out what leads nowhere', () => {
    const sum = Ops.add(weights, x)
    Ops.exp(sum)
    const graph = Graph.from({ state: [[weights, sum]], batch: [x], results: { sum, x } })
    expect(graph).toMatchObject({
      version: 1,
      state: [{ name: 'weights', dtype: 'f32', shape: [2] }],
      batch: [{ name: 'x', dtype: 'f32', shape: [2] }],
      next: [2],
      results: [
        { name: 'sum', value: 2 },
        { name: 'x', value: 1 },
      ],
    })
    expect(graph.ops.map(({ inputs }) => inputs)).toEqual([[0, 1]])
  })

  test('writes equal ops of equal inputs once', () => {
    const twice = Ops.mul(Ops.add(weights, x), Ops.add(weights, x))
    const graph = Graph.from({ state: [[weights, twice]], batch: [x] })
    expect(graph.ops.map(({ inputs }) => inputs)).toEqual([
      [0, 1],
      [2, 2],
    ])
  })

  test('puts ops after what they read, however deep', () => {
    let deep: Tensor = x
    for (let i = 0; i < 20_000; i++) deep = Ops.add(deep, weights)
    const graph = Graph.from({ state: [[weights, deep]], batch: [x] })
    expect(graph.ops).toHaveLength(20_000)
    graph.ops.forEach(({ inputs }, index) =>
      expect(Math.max(...inputs)).toBeLessThan(graph.state.length + graph.batch.length + index),
    )
  })

  test('refuses a slot that is read but not given', () => {
    expect(() => Graph.from({ state: [[weights, Ops.add(weights, x)]] })).toThrow(
      'The batch slot x is read but not among the slots.',
    )
  })

  test('refuses two slots of one name, and a slot in the wrong place', () => {
    const other = input('batch', 'weights', 'f32', [2])
    expect(() => Graph.from({ state: [[weights, weights]], batch: [other] })).toThrow(
      'Two slots have the same name.',
    )
    expect(() => Graph.from({ state: [[x, x]] })).toThrow(
      'A batch stands where a state slot belongs.',
    )
  })

  test('refuses a next value that does not fit its slot', () => {
    expect(() => Graph.from({ state: [[weights, Ops.sum(weights)]] })).toThrow(
      'The next value of weights is f32 [1], the slot is f32 [2].',
    )
    const counter = input('state', 'counter', 'u32', [2])
    expect(() => Graph.from({ state: [[counter, Ops.exp(counter)]] })).toThrow(Graph.GraphError)
  })
})

describe('valueOf', () => {
  const graph = Graph.from({
    state: [[weights, weights]],
    batch: [x],
    results: { y: Ops.sum(Ops.add(weights, x)) },
  })

  test('knows slots and ops by number', () => {
    const shapes = [0, 1, 2, 3].map((index) => Graph.valueOf(graph, index).shape)
    expect(shapes).toEqual([[2], [2], [2], [1]])
  })

  test('refuses a number that is none', () => {
    for (const index of [4, -1, 0.5])
      expect(() => Graph.valueOf(graph, index)).toThrow(`The graph has no value ${index}.`)
  })
})
