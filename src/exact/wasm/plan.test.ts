import { describe, expect, test } from 'vitest'
import { cases } from '../compliance.ts'
import * as Graph from '../Graph.ts'
import * as Ops from '../ops.ts'
import { byteLength, contract, input, type Tensor } from '../Tensor.ts'
import { constantTasks } from './constantTasks.ts'
import { identityInputs, plan, type Plan } from './plan.ts'
import { rootsOf } from './roots.ts'

const f32 = (kind: 'state' | 'batch', name: string, ...shape: number[]) =>
  input(kind, name, 'f32', shape)

describe('plan', () => {
  test('keeps every value of the suite whole until its last reader has run', () => {
    for (const { name, graph } of cases()) {
      const scratch = 256
      const planned = plan(graph, 1000, () => scratch)
      expect(violations(graph, planned, scratch), name).toEqual([])
    }
  })

  test('reuses the memory of what is no longer read', () => {
    let x: Tensor = f32('batch', 'x', 64, 64)
    for (let i = 0; i < 20; i++) x = Ops.exp(contract(x, x))
    const graph = Graph.from({ state: [], batch: [inputOf(x)], results: { x } })
    const one = 64 * 64 * 4
    expect(plan(graph, 0, () => 0).bytes).toBeLessThan(4 * one)
  })

  test('writes the next state over the state when nobody reads it later', () => {
    const weights = f32('state', 'weights', 32, 32)
    const other = f32('state', 'other', 32, 32)
    const gradient = contract(weights, other)
    const graph = Graph.from({
      state: [
        [weights, Ops.sub(weights, gradient)],
        [other, Ops.sub(other, contract(gradient, weights))],
      ],
      results: {},
    })
    expect(plan(graph, 0, () => 0).copies).toEqual([])
  })

  test('keeps a state that is a result, or the next value of another slot', () => {
    const [a, b] = [f32('state', 'a', 4), f32('state', 'b', 4)]
    const graph = Graph.from({
      state: [
        [a, b],
        [b, Ops.add(a, b)],
      ],
      results: { a },
    })
    const { copies, results, addresses } = plan(graph, 0, () => 0)
    expect(results[0]).not.toBe(addresses[0])
    expect(copies.length).toBeGreaterThanOrEqual(3)
  })

  test('refuses what WebAssembly cannot address', () => {
    const x = f32('batch', 'x', 1 << 15, 1 << 15)
    const graph = Graph.from({ state: [], batch: [x], results: { y: Ops.exp(x) } })
    expect(() => plan(graph, 0, () => 0)).toThrow('make its batch smaller')
  })
})

describe('identityInputs', () => {
  test('are those with the shape of the result', () => {
    const [x, row] = [f32('batch', 'x', 3, 4), f32('batch', 'row', 4)]
    const graph = Graph.from({ state: [], batch: [x, row], results: { y: Ops.add(x, row) } })
    expect(identityInputs(graph, graph.ops[0]!)).toEqual([0])
  })
})

/** Values that something else was written over while they were still wanted. */
function violations(graph: Graph.Graph, planned: Plan, scratch: number): readonly string[] {
  const first = graph.state.length + graph.batch.length
  const roots = rootsOf(graph)
  const ends = new Map<number, number>()
  const constant = constantTasks(graph)
  planned.order.forEach((op, position) =>
    graph.ops[op]!.inputs.forEach((value) => {
      if (constant.isPackedForGood(op, value)) return
      const outlives = constant.isConstant(value) && !constant.ops.has(op)
      ends.set(
        roots[value]!,
        Math.max(ends.get(roots[value]!) ?? 0, outlives ? Infinity : position),
      )
    }),
  )
  graph.results.forEach(({ value }) => {
    if (roots[value]! >= first) ends.set(roots[value]!, Infinity)
  })
  graph.next.forEach((value, slot) => {
    if (planned.addresses[roots[value]!] !== planned.addresses[slot])
      ends.set(roots[value]!, Infinity)
  })
  const range = (value: number) => {
    const start = planned.addresses[value]!
    return [start, start + byteLength(Graph.valueOf(graph, value))] as const
  }
  const overlap = (a: readonly [number, number], b: readonly [number, number]) =>
    a[0] < b[1] && b[0] < a[1]
  const problems: string[] = []
  const written = Array.from({ length: first }, (_, value) => value)
  planned.order.forEach((op, position) => {
    const value = first + op
    if (roots[value] !== value) return
    const own = planned.scratch.get(op)
    for (const other of written) {
      const isWanted = (ends.get(other) ?? -1) > position
      const isRead = graph.ops[op]!.inputs.some((read) => roots[read] === other)
      const mayReplace = identityInputs(graph, graph.ops[op]!).some((read) => roots[read] === other)
      if (overlap(range(value), range(other)) && (isWanted || (isRead && !mayReplace)))
        problems.push(`${value} is written over ${other}`)
      if (own !== undefined && (isWanted || isRead) && overlap([own, own + scratch], range(other)))
        problems.push(`the scratch of ${value} lies in ${other}`)
    }
    if (own !== undefined && overlap([own, own + scratch], range(value)))
      problems.push(`${value} is written over its own scratch`)
    written.push(value)
  })
  return problems
}

function inputOf(x: Tensor): Tensor {
  return x.inputs.length === 0 ? x : inputOf(x.inputs[0]!)
}
