import { GraphError, type Graph, type NamedValue, type Node } from '../Graph.ts'
import type { Instruction } from '../Program.ts'
import type { DType, Op, Shape } from '../Tensor.ts'

/**
 * What is computed in one go: an op of the graph, or several that became one (see `fuse.ts`). A graph
 * is itself a list of tasks.
 */
export type Task = {
  readonly op: Exclude<Node['op'], { kind: 'map' | 'reduce' }> | MapTask | ReduceTask
  readonly inputs: readonly number[]
  readonly dtype: DType
  readonly shape: Shape
  /** The op of the graph that it gives the value of. */
  readonly source?: number | undefined
}

export type MapTask = { readonly kind: 'map'; readonly program: Fused }

/** A reduction: of its input, or of what a program gives, which has the shape `from`. */
export type ReduceTask = Extract<Op, { kind: 'reduce' }> & {
  readonly program?: Fused | undefined
  readonly from?: Shape | undefined
}

/** Programs that became one, with as many inputs as it takes. */
export type Fused = {
  readonly inputs: number
  readonly constants: readonly number[]
  readonly code: readonly Step[]
  readonly result: number
}

/** An instruction, or the rules for what an f32 op stores, between two programs that became one. */
export type Step = Instruction | Output
export type Output = readonly [op: 'output', register: number]

/** Tasks in topological order; values are numbered as in a graph. */
export type Tasks = Pick<Graph, 'state' | 'batch' | 'next' | 'results'> & {
  readonly ops: readonly Task[]
}

/** Type and shape of a value by its number. */
export function valueOf({ state, batch, ops }: Tasks, value: number): Omit<NamedValue, 'name'> {
  const found =
    state[value] ?? batch[value - state.length] ?? ops[value - state.length - batch.length]
  if (!found) throw new GraphError(`The graph has no value ${value}.`)
  return found
}
