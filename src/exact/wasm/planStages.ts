/** The stages of all tasks, with the addresses that were planned. */
import type { Compilation } from './Compilation.ts'
import type { ConstantTasks } from './constantTasks.ts'
import type { ConstantPanels, Given, Rooms } from './places.ts'
import type { Plan } from './plan.ts'
import { packRight, panelBytes, type Product } from './productStages.ts'
import { integerBound } from './program.ts'
import { rootsOf } from './roots.ts'
import type { Stage } from './Stage.ts'
import { stagesOf } from './stagesOf.ts'
import { type Task, type Tasks, valueOf } from './Task.ts'

/** What stages are planned for: the tasks of a graph, and what of them is constant. */
export type Planning = {
  readonly compilation: Compilation
  readonly graph: Tasks
  readonly constant: ConstantTasks
}

export function isProduct(op: Task['op']): op is Product {
  return op.kind === 'contract' || op.kind === 'contract-i8'
}

/** Vectors may be read a little past the end of what is packed. */
const slackBytes = 64

/** What is done once, as long as no constant is written: panels stand above all other memory. */
export function startOnce(base: number, flagsAt: number) {
  const known = new Map<string, Omit<ConstantPanels, 'isNew'>>()
  const stages: Stage[] = []
  let top = aligned(base)
  const panels = (key: string, bytes: number): ConstantPanels => {
    const found = known.get(key)
    if (found) return { ...found, isNew: false }
    const made = {
      at: top,
      flagAt: flagsAt + known.size * 4,
      add: (...some: readonly Stage[]) => void stages.push(...some),
    }
    top = aligned(top + bytes)
    known.set(key, made)
    return { ...made, isNew: true }
  }
  const add = (...some: readonly Stage[]) => void stages.push(...some)
  return { panels, stages, add, top: () => top + slackBytes }
}

/** Room that a task needs while it runs: of a product for its packed right operand, unless that is packed for good. */
export function scratchBytes({ compilation, graph, constant }: Planning): (op: number) => number {
  const roots = rootsOf(graph)
  return (op) => {
    const task = graph.ops[op]!
    if (!isProduct(task.op) || constant.isPackedForGood(op, task.inputs[1]!)) return 0
    const values = task.inputs.map((input) => ({
      ...valueOf(graph, input),
      at: 0,
      isNarrow: isNarrow(graph, roots[input]!),
    }))
    return panelBytes(compilation, task.op, values, { ...task, at: 0 })
  }
}

/**
 * The stages of a step; those of constant tasks go to `once`.
 *
 * @param rooms where things stand that belong to no value.
 */
export function planStages(
  { compilation, graph, constant }: Planning,
  { order, addresses, scratch }: Plan,
  {
    flagsAt,
    once,
    ...rooms
  }: Pick<Rooms, 'workAt' | 'workBytes'> & {
    readonly flagsAt: number
    readonly once: ReturnType<typeof startOnce>
  },
): readonly Stage[] {
  const first = graph.state.length + graph.batch.length
  const roots = rootsOf(graph)
  const products = [...graph.ops.keys()].filter((op) => isProduct(graph.ops[op]!.op))
  const flagAt = new Map(products.map((op, index) => [op, flagsAt + index * 4]))
  const placed = (op: number) => (value: number) => ({
    ...valueOf(graph, value),
    at: addresses[value]!,
    constant: constant.isPackedForGood(op, value) ? roots[value] : undefined,
    isNarrow: isNarrow(graph, roots[value]!),
  })
  const given = (op: number): Given => ({
    inputs: graph.ops[op]!.inputs.map(placed(op)),
    out: placed(op)(first + op),
    rooms: {
      ...rooms,
      constantPanels: once.panels,
      flagAt: flagAt.get(op) ?? 0,
      scratchAt: scratch.get(op) ?? 0,
    },
  })
  const packAll = (root: number) => {
    for (const op of products) {
      const task = graph.ops[op]!
      const right = task.inputs[1]!
      if (isProduct(task.op) && roots[right] === root && constant.isPackedForGood(op, right))
        packRight(compilation, task.op, given(op))
    }
  }
  return order.flatMap((op) => {
    const task = graph.ops[op]!
    const stages = stagesOf(compilation, task, given(op)).map((stage) => ({
      ...stage,
      op: task.source,
    }))
    if (!constant.ops.has(op)) return stages
    once.add(...stages)
    // Before something else takes its place.
    packAll(first + op)
    return []
  })
}

/** Whether a value is made of integers from -64 to 63: quantised as the right operand of a product. */
function isNarrow(graph: Tasks, value: number): boolean {
  const op = graph.ops[value - graph.state.length - graph.batch.length]?.op
  return op?.kind === 'map' && integerBound(op.program) <= 63
}

function aligned(address: number): number {
  return Math.ceil(address / 64) * 64
}
