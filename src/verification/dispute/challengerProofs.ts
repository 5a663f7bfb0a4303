import { equal, openBytes, rootOfBytes } from '../../exact/commit/merkle.ts'
import { sha256 } from '../../exact/commit/sha256.ts'
import { readLeaf } from '../../exact/readLeaf.ts'
import * as Hex from '../../protocol/Hex.ts'
import { evaluate } from '../judge/evaluate.ts'
import { operandBytes, type Read, readsOf, sizeOf } from '../judge/readsOf.ts'
import { type ChainIn, chainIn, placeInData } from './chainIn.ts'
import type * as Move from '../../protocol/dispute/Move.ts'
import type { DisputedStep } from './openStep.ts'
import type { Position } from '../../protocol/dispute/Position.ts'
import { type Prover, ProverError } from './startProver.ts'
import { bytesOf, traceShown } from './shown.ts'
import { leavesOfMany, pathInShown, pathTo } from './tree.ts'

/** The proof against a segment: the first operand that is wrong, or else the arithmetic. */
export async function proveSegment(
  prover: Prover,
  step: DisputedStep,
  position: Position,
  history: readonly Move.Move[],
): Promise<Move.Move> {
  const operands = bytesOf(history.at(-1)!)
  const chain = await chainIn(prover, step, position)
  const { leaf, leafBytes, reader } = chain
  const place = { element: position.element, segment: position.low }
  const common = { op: Hex.from(leafBytes), operands: Hex.from(operands) }
  const reads = readsOf(leaf, place, operands)
  const wrong = reads.findIndex((read, index) => {
    const from = operandBytes(reads.slice(0, index))
    const claimed = operands.subarray(from, from + read.bytes)
    return claimed.byteLength === read.bytes && !equal(claimed, reader(read))
  })
  if (wrong >= 0) {
    const shown = traceShown(history)
    const trace = { target: position.value - position.stateCount, shown }
    const opening = await openRead({ prover, step, chain, trace }, reads[wrong]!)
    return { type: 'prove-read', ...common, read: wrong, opening }
  }
  const [accIn] = chain.accumulators(place.element, [place.segment])
  const isWhole = operands.byteLength === operandBytes(reads)
  if (isWhole && Hex.keccak256(evaluate(leaf, place, accIn!, operands)) === position.accOut)
    return { type: 'concede' }
  return { type: 'prove-arithmetic', ...common, accIn: Hex.from(accIn!) }
}

/** The proof that a slot of the state after the step is not its next value. */
export function proveSlot(prover: Prover, step: DisputedStep, { index }: Position): Move.Move {
  const leaf = readLeaf(prover.graphLeaves[index]!)
  if (leaf.kind !== 'state') throw new ProverError(`Value ${index} is no state slot.`)
  const slot = openGraphLeaf(prover, index)
  return { type: 'prove-slot', slot, next: openRoot(prover, step, leaf.next) }
}

/** A leaf of the graph with its path. */
export function openGraphLeaf({ graphLeaves }: Prover, value: number): Move.Of<'pick'>['op'] & {} {
  const path = pathTo(leavesOfMany(graphLeaves), value)
  return { leaf: Hex.from(graphLeaves[value]!), path: path.map(Hex.from) }
}

/** Where the claimant's trace differs first from ours, and what it has shown of it. */
type Trace = { readonly target: number; readonly shown: readonly (readonly Uint8Array[])[] }
type Opened = {
  readonly prover: Prover
  readonly step: DisputedStep
  readonly chain: ChainIn
  readonly trace: Trace
}

/** What stands where a segment reads, opened there. */
async function openRead(
  { prover, step, chain, trace }: Opened,
  { input, element }: Read,
): Promise<Move.Opening> {
  const { leaf } = chain
  if (input === 'data' || leaf.kind === 'batch') {
    const data = prover.data!
    const at = Math.floor(placeInData(prover, step, { leaf, element }) / 256)
    const bytesRoot = Hex.from(rootOfBytes(data))
    const { byteLength } = data
    return { source: 'data', byteLength, bytesRoot, ...opened(data, at) }
  }
  const { index, dtype, shape } = leaf.inputs[input]!
  const [bytes] = await step.values([index])
  const at = Math.floor((element * sizeOf({ dtype, shape }).elementBytes) / 256)
  const { name, ...found } = { ...openRoot(prover, step, index, trace), ...opened(bytes!, at) }
  return index < prover.graph.state.length
    ? { source: 'state', name, ...found }
    : { source: 'trace', ...found }
}

/** The tensor root of a value: in the state before the step, or in its trace, of which the claimant's may differ. */
function openRoot({ graph }: Prover, step: DisputedStep, value: number, trace?: Trace) {
  const slot = graph.state[value]
  if (slot) {
    const { before } = step
    const name = Hex.from(sha256(new TextEncoder().encode(slot.name)))
    return { name, root: Hex.from(before.roots[value]!), path: pathTo(before, value).map(Hex.from) }
  }
  const index = value - graph.state.length
  const path = trace ? pathInShown(step.trace, index, trace) : pathTo(step.trace, index)
  return { name: Hex.zero, root: Hex.from(step.traceRoots[index]!), path: path.map(Hex.from) }
}

function opened(bytes: Uint8Array, index: number) {
  const { leaf, path } = openBytes(bytes, index)
  return { leaf: Hex.from(leaf), leafPath: path.map(Hex.from) }
}
