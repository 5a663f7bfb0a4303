import { rootsOf } from './roots.ts'
import type { Task, Tasks } from './Task.ts'

/** What stays the same from step to step. */
export type ConstantTasks = {
  /** Tasks that need to run only when a state slot that no step changes is written. */
  readonly ops: ReadonlySet<number>
  /** Whether a value is a state slot that no step changes, or is computed from such alone. */
  readonly isConstant: (value: number) => boolean
  /** Whether a task reads an input only through panels that are packed for good: the right operand of a product. */
  readonly isPackedForGood: (op: number, input: number) => boolean
}

/** Finds the tasks whose inputs are all constant: masks, tables, and weights that are quantised. */
export function constantTasks(graph: Tasks): ConstantTasks {
  const first = graph.state.length + graph.batch.length
  const roots = rootsOf(graph)
  const constant = new Set(graph.state.keys().filter((slot) => graph.next[slot] === slot))
  const ops = new Set<number>()
  graph.ops.forEach(({ inputs }, op) => {
    if (!inputs.every((input) => constant.has(input))) return
    constant.add(first + op)
    ops.add(op)
  })
  return {
    ops,
    isConstant: (value) => constant.has(value),
    isPackedForGood: (op, input) => {
      const { op: product, inputs } = graph.ops[op] as Task
      const isProduct = product.kind === 'contract' || product.kind === 'contract-i8'
      const right = inputs[1]!
      const isRead = inputs.some((each, index) => index !== 1 && roots[each] === roots[input])
      return isProduct && !ops.has(op) && input === right && constant.has(right) && !isRead
    },
  }
}
