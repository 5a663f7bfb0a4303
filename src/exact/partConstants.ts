import { type Graph, type Node, valueOf } from './Graph.ts'
import { byteLength } from './Tensor.ts'

/** A graph in two parts that together give the same bits. */
export type Parted = {
  /** Computes once what follows from constants alone: its results are, in order, the first states of `added`. */
  readonly ahead: Graph
  /** The graph without that, and with what was computed as further state. */
  readonly step: Graph
  /** For each state slot of `step`: the slot of the graph that it was, or the result of `ahead` that fills it. */
  readonly sources: readonly Source[]
}

export type Source =
  | { readonly kind: 'state'; readonly slot: number }
  | { readonly kind: 'ahead'; readonly result: number }

/**
 * Takes out of a graph what is the same at every step, because it follows from state that never changes:
 * above all weights quantised by a profile, which then stand as integers and scales, and the f32 they
 * came from are not kept. Nothing is taken out that would need more room than what it is made of.
 *
 * @example
 * ```ts
 * const { ahead, step, sources } = partConstants(decodingGraph(model))
 * ```
 */
export function partConstants(graph: Graph): Parted {
  const { state, batch, ops, next, results } = graph
  const first = state.length + batch.length
  const isConstant = constantsOf(graph)
  const node = (value: number) => ops[value - first]
  const lasting = ops.flatMap((_, index) => (isConstant[first + index] ? [] : [first + index]))
  const read = new Set([
    ...lasting.flatMap((value) => node(value)!.inputs),
    ...results.map(({ value }) => value),
    ...next.filter((value, slot) => value !== slot),
  ])
  const taken = [...read].filter((value) => isConstant[value] && node(value)).toSorted(ascending)
  const kept = [...state.keys()].filter((slot) => next[slot] !== slot || read.has(slot))
  const sources: readonly Source[] = [
    ...kept.map((slot) => ({ kind: 'state', slot }) as const),
    ...taken.map((_, result) => ({ kind: 'ahead', result }) as const),
  ]
  const numbers = numbersOf([
    ...kept,
    ...taken,
    ...batch.map((_, at) => state.length + at),
    ...lasting,
  ])
  return {
    ahead: aheadOf(graph, taken),
    step: {
      version: 1,
      state: [
        ...kept.map((slot) => state[slot]!),
        ...taken.map((value) => ({ name: `constant.${value}`, ...typeOf(graph, value) })),
      ],
      batch,
      ops: lasting.map((value) => renumbered(node(value)!, numbers)),
      next: [...kept.map((slot) => numbers(next[slot]!)), ...taken.map(numbers)],
      results: results.map(({ name, value }) => ({ name, value: numbers(value) })),
    },
    sources,
  }
}

/** Of each value whether it follows from constant state, and may be kept in its place. */
function constantsOf({ state, batch, ops, next }: Graph): readonly boolean[] {
  const found = [...state.map((_, slot) => next[slot] === slot), ...batch.map(() => false)]
  const sizes = [...state, ...batch].map(byteLength)
  for (const node of ops) {
    const size = byteLength(node)
    const room = node.inputs.reduce((sum, input) => sum + sizes[input]!, 0)
    found.push(node.inputs.every((input) => found[input]) && size <= room)
    sizes.push(size)
  }
  return found
}

/** The ops that lead to some values, with the state that they read. */
function aheadOf(graph: Graph, values: readonly number[]): Graph {
  const { state, batch, ops } = graph
  const first = state.length + batch.length
  const needed = new Set(values)
  for (let value = first + ops.length - 1; value >= first; value--)
    if (needed.has(value)) for (const input of ops[value - first]!.inputs) needed.add(input)
  const slots = [...needed].filter((value) => value < first).toSorted(ascending)
  const rest = [...needed].filter((value) => value >= first).toSorted(ascending)
  const numbers = numbersOf([...slots, ...rest])
  return {
    version: 1,
    state: slots.map((slot) => state[slot]!),
    batch: [],
    ops: rest.map((value) => renumbered(ops[value - first]!, numbers)),
    next: slots.map(numbers),
    results: values.map((value) => ({ name: `constant.${value}`, value: numbers(value) })),
  }
}

function numbersOf(values: readonly number[]): (value: number) => number {
  const numbers = new Map(values.map((value, index) => [value, index]))
  return (value) => numbers.get(value)!
}

function renumbered(node: Node, numbers: (value: number) => number): Node {
  return { ...node, inputs: node.inputs.map(numbers) }
}

function typeOf(graph: Graph, value: number) {
  const { dtype, shape } = valueOf(graph, value)
  return { dtype, shape }
}

function ascending(a: number, b: number): number {
  return a - b
}
