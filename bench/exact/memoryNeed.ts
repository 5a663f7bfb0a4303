import { type Graph, valueOf } from '../../src/exact/Graph.ts'
import { byteLength } from '../../src/exact/Tensor.ts'

export type Need = {
  /** Parameters, optimiser state and counters. */
  readonly state: number
  /** The most that is alive at once beside it: values of which something is still to be computed. */
  readonly alive: number
}

/**
 * The bytes that a step of a graph takes op by op, in the graph's order: each value from where it is
 * computed to where it is last read, reshapes without room of their own, the next state in the place
 * of the old one.
 */
export function memoryNeed(graph: Graph): Need {
  const sum = (slots: readonly Parameters<typeof byteLength>[0][]) =>
    slots.reduce((total, slot) => total + byteLength(slot), 0)
  const first = graph.state.length + graph.batch.length
  const roots = Array.from({ length: first }, (_, value) => value)
  for (const { op, inputs } of graph.ops)
    roots.push(op.kind === 'reshape' ? roots[inputs[0]!]! : roots.length)
  const last = new Map<number, number>()
  graph.ops.forEach(({ inputs }, op) => {
    for (const input of inputs) last.set(roots[input]!, op)
  })
  for (const { value } of graph.results) last.set(roots[value]!, graph.ops.length)
  const isNext = new Set(graph.next.map((value) => roots[value]!))
  const dying = new Map<number, readonly number[]>()
  for (const [root, op] of last) dying.set(op, [...(dying.get(op) ?? []), root])
  let [now, alive] = [0, 0]
  const counts = (root: number) => root >= first && !isNext.has(root)
  graph.ops.forEach((_, op) => {
    const root = first + op
    if (roots[root] === root && counts(root)) now += byteLength(valueOf(graph, root))
    alive = Math.max(alive, now)
    for (const each of dying.get(op) ?? [])
      if (counts(each)) now -= byteLength(valueOf(graph, each))
  })
  return { state: sum(graph.state), alive: alive + sum(graph.batch) }
}
