import { BaseError } from '../runtime/Errors.ts'
import type { DType, Op, Shape, Tensor } from './Tensor.ts'

/**
 * A program of tensors in topological order, as plain data: what is hashed, run and judged. Values are
 * numbered: the state slots first, then the batch slots, then one for each op.
 */
export type Graph = {
  readonly version: 1
  readonly state: readonly NamedValue[]
  readonly batch: readonly NamedValue[]
  readonly ops: readonly Node[]
  /** The next value of each state slot. */
  readonly next: readonly number[]
  /** What a step reports beside its state: a loss, logits. */
  readonly results: readonly { readonly name: string; readonly value: number }[]
}

export type NamedValue = {
  readonly name: string
  readonly dtype: DType
  readonly shape: Shape
}

/** An op that computes something, with the numbers of the values it reads. */
export type Node = {
  readonly op: Exclude<Op, { kind: 'state' | 'batch' }>
  readonly inputs: readonly number[]
  readonly dtype: DType
  readonly shape: Shape
}

/** The most ops of a graph, and slots of each kind. */
export const limits = { ops: 100_000, slots: 10_000 } as const

/**
 * Puts the tensors that lead to the next state and the results in order. Equal ops of equal inputs
 * become one; what leads nowhere is left out; slots stand in the order given.
 *
 * @throws {GraphError} when a slot is missing or a next value does not fit its slot.
 */
export function from(options: from.Options): Graph {
  const { state, batch = [], results = {} } = options
  const numbers = new Map<Tensor, number>()
  const slots = [...state.map(([slot]) => slot), ...batch]
  slots.forEach((slot, index) => numbers.set(slot, index))
  const ops: Node[] = []
  const known = new Map<string, number>()
  const roots = [...state.map(([, next]) => next), ...Object.values(results)]
  for (const root of roots) number(root)

  function number(root: Tensor): void {
    // An explicit stack: graphs are deeper than the call stack.
    const stack = [root]
    for (let tensor = stack.at(-1); tensor; tensor = stack.at(-1)) {
      if (numbers.has(tensor)) {
        stack.pop()
        continue
      }
      const waiting = tensor.inputs.filter((input) => !numbers.has(input))
      if (waiting.length > 0) {
        stack.push(...waiting.toReversed())
        continue
      }
      stack.pop()
      numbers.set(tensor, place(tensor))
    }
  }

  function place({ op, dtype, shape, inputs }: Tensor): number {
    if (op.kind === 'state' || op.kind === 'batch')
      throw new GraphError(`The ${op.kind} slot ${op.name} is read but not among the slots.`)
    const compute = op as Node['op']
    const node = { op: compute, dtype, shape, inputs: inputs.map((input) => numbers.get(input)!) }
    const key = JSON.stringify(node)
    const found = known.get(key)
    if (found !== undefined) return found
    if (ops.length >= limits.ops) throw new GraphError(`The graph has more than ${limits.ops} ops.`)
    const index = slots.length + ops.push(node) - 1
    known.set(key, index)
    return index
  }

  const graph: Graph = {
    version: 1,
    state: state.map(([slot]) => named(slot, 'state')),
    batch: batch.map((slot) => named(slot, 'batch')),
    ops,
    next: state.map(([, next]) => numbers.get(next)!),
    results: Object.entries(results).map(([name, tensor]) => ({
      name,
      value: numbers.get(tensor)!,
    })),
  }
  checkNext(graph)
  return graph
}

export declare namespace from {
  type Options = {
    /** Each state slot with the tensor that is its next value; itself when it stays as it is. */
    state: readonly (readonly [slot: Tensor, next: Tensor])[]
    batch?: readonly Tensor[] | undefined
    results?: Readonly<Record<string, Tensor>> | undefined
  }
}

/** Type and shape of a value by its number. */
export function valueOf(graph: Graph, index: number): { dtype: DType; shape: Shape } {
  const { state, batch, ops } = graph
  const slot = index < state.length ? state[index] : batch[index - state.length]
  const value = slot ?? ops[index - state.length - batch.length]
  if (!value) throw new GraphError(`The graph has no value ${index}.`)
  return value
}

function named({ op, dtype, shape }: Tensor, kind: 'state' | 'batch'): NamedValue {
  if (op.kind !== kind) throw new GraphError(`A ${op.kind} stands where a ${kind} slot belongs.`)
  return { name: op.name, dtype, shape }
}

function checkNext(graph: Graph): void {
  const names = [...graph.state, ...graph.batch].map(({ name }) => name)
  if (new Set(names).size < names.length) throw new GraphError('Two slots have the same name.')
  if (names.length > limits.slots)
    throw new GraphError(`The graph has more than ${limits.slots} slots.`)
  graph.state.forEach((slot, index) => {
    const next = valueOf(graph, graph.next[index]!)
    if (next.dtype !== slot.dtype || next.shape.join() !== slot.shape.join())
      throw new GraphError(
        `The next value of ${slot.name} is ${next.dtype} [${next.shape.join(', ')}],` +
          ` the slot is ${slot.dtype} [${slot.shape.join(', ')}].`,
      )
  })
}

/** Thrown when a graph is not well formed. */
export class GraphError extends BaseError {
  override readonly code = 'Exact.GraphError'

  constructor(shortMessage: string) {
    super(shortMessage)
  }
}
