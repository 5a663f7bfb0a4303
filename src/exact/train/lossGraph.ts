import { type Graph, GraphError, limits } from '../Graph.ts'

/**
 * What of a training graph computes its loss: a graph that leaves its state, the first `slots` of the training
 * graph's, as it is, and reports `loss` of a batch.
 *
 * @throws {GraphError} when there is no loss, or it takes more than those slots.
 */
export function lossGraph(graph: Graph, { slots }: { readonly slots: number }): Graph {
  const { state, batch, ops, results } = graph
  const loss = results.find(({ name }) => name === 'loss')
  if (!loss) throw new GraphError('The graph has no loss: build it by trainingGraph.')
  const firstBatch = state.length
  const firstOp = firstBatch + batch.length
  const needed = new Set([loss.value])
  // Ops stand after what they read, so one pass from the last to the first finds all.
  for (let at = ops.length - 1; at >= 0; at--)
    if (needed.has(firstOp + at)) for (const input of ops[at]!.inputs) needed.add(input)
  const kept = ops.flatMap((node, at) => (needed.has(firstOp + at) ? [{ node, at }] : []))
  const numbers = new Map(kept.map(({ at }, to) => [firstOp + at, slots + batch.length + to]))
  const numberOf = (value: number): number => {
    if (value < slots) return value
    if (value >= firstBatch && value < firstOp) return value - firstBatch + slots
    const number = numbers.get(value)
    if (number === undefined) throw new GraphError(`The loss reads ${state[value]?.name}.`)
    return number
  }
  if (slots > limits.slots) throw new GraphError(`There are at most ${limits.slots} slots.`)
  return {
    version: 1,
    state: state.slice(0, slots),
    batch,
    ops: kept.map(({ node }) => ({ ...node, inputs: node.inputs.map(numberOf) })),
    next: Array.from({ length: slots }, (_, slot) => slot),
    results: [{ name: 'loss', value: numberOf(loss.value) }],
  }
}
