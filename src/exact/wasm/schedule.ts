import { constantTasks } from './constantTasks.ts'
import { rootsOf } from './roots.ts'
import type { Tasks } from './Task.ts'

/**
 * In which order the tasks of a graph run: what is constant first, then as they stand, but what computes the next value of a state slot
 * waits, where it can, until nothing else wants the old one, so that it may be written in its place.
 */
export function schedule(graph: Tasks): readonly number[] {
  const first = graph.state.length + graph.batch.length
  const roots = rootsOf(graph)
  const waits = waitsOf(graph, roots)
  const blockers = graph.ops.map(({ inputs }) => new Set(inputs.filter((v) => v >= first)))
  const held = graph.ops.map((_, op) => new Set(waits.get(op)))
  const readers = new Map<number, number[]>()
  const note = (value: number, op: number) => {
    const list = readers.get(value) ?? []
    list.push(op)
    readers.set(value, list)
  }
  blockers.forEach((values, op) => values.forEach((value) => note(value, op)))
  held.forEach((others, op) => others.forEach((other) => note(first + other, op)))

  const { ops: constant } = constantTasks(graph)
  const order: number[] = []
  const done = new Set<number>()
  const ready = new Set<number>()
  const offer = (op: number) => {
    if (!done.has(op) && blockers[op]!.size === 0 && held[op]!.size === 0) ready.add(op)
  }
  const run = (op: number) => {
    ready.delete(op)
    done.add(op)
    order.push(op)
    for (const reader of readers.get(first + op) ?? []) {
      blockers[reader]!.delete(first + op)
      held[reader]!.delete(op)
      offer(reader)
    }
  }
  for (const op of constant) run(op)
  // As far as possible in the order of the graph; what was held back runs as soon as it may.
  for (const op of graph.ops.keys()) {
    offer(op)
    while (ready.size > 0) run(Math.min(...ready))
  }
  // What waits for itself in a circle no longer waits.
  for (const op of graph.ops.keys()) {
    if (done.has(op)) continue
    held[op]!.clear()
    offer(op)
    while (ready.size > 0) run(Math.min(...ready))
  }
  return order
}

/** For each op that gives the next value of a slot: the ops that read the slot otherwise. */
function waitsOf(graph: Tasks, roots: readonly number[]): ReadonlyMap<number, readonly number[]> {
  const first = graph.state.length + graph.batch.length
  const readersOf = new Map<number, number[]>()
  graph.ops.forEach(({ inputs }, op) => {
    for (const input of inputs) {
      const slot = roots[input]!
      if (slot >= graph.state.length) continue
      const list = readersOf.get(slot) ?? []
      list.push(op)
      readersOf.set(slot, list)
    }
  })
  const waits = new Map<number, readonly number[]>()
  graph.next.forEach((value, slot) => {
    const op = roots[value]! - first
    if (op < 0) return
    waits.set(
      op,
      (readersOf.get(slot) ?? []).filter((reader) => reader !== op),
    )
  })
  return waits
}
