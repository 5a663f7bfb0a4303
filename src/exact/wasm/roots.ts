import type { Tasks } from './Task.ts'

/** For each value the one whose memory it is: its own number, or that of what it reshapes. */
export function rootsOf(graph: Tasks): readonly number[] {
  const first = graph.state.length + graph.batch.length
  const roots = Array.from({ length: first }, (_, value) => value)
  for (const { op, inputs } of graph.ops)
    roots.push(op.kind === 'reshape' ? roots[inputs[0]!]! : roots.length)
  return roots
}
