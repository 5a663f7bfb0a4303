import * as Hex from '../../protocol/Hex.ts'
import { chainIn } from './chainIn.ts'
import { partsOf } from './Game.ts'
import type * as Move from '../../protocol/dispute/Move.ts'
import { MoveError } from './MoveError.ts'
import type { Position } from '../../protocol/dispute/Position.ts'
import type { Prover } from './startProver.ts'
import { depth, type Leaves, leavesOfBytes, nodesIn, pathTo, spanUnder } from './tree.ts'

/**
 * What an honest claimant shows in its turn: what its prover finds beneath what it is bound to.
 *
 * @throws {MoveError} when it is not the claimant's turn.
 */
export async function claimantMove(prover: Prover, position: Position): Promise<Move.Move> {
  const { phase, turn } = position
  if (turn !== 'claimant') throw new MoveError('OutOfTurn', "It is the challenger's turn.")
  if (phase === 'run') return { type: 'reveal', nodes: under(prover.run, position) }
  const step = await prover.step(phase === 'step' ? position.index : position.step)
  switch (phase) {
    case 'step':
      return enter(prover, position.index, step.trace)
    case 'trace':
      return { type: 'reveal', nodes: under(step.trace, position) }
    case 'after':
      return { type: 'reveal', nodes: under(step.after, position) }
    case 'value': {
      const [bytes] = await step.values([position.value])
      return tensor(step.traceRoots[position.index]!, bytes!)
    }
    case 'tensor':
    case 'leaf': {
      const [bytes] = await step.values([position.value])
      if (phase === 'tensor')
        return { type: 'reveal', nodes: under(leavesOfBytes(bytes!), position) }
      const leaf = bytes!.subarray(position.index * 256, (position.index + 1) * 256)
      return { type: 'leaf', bytes: Hex.from(leaf) }
    }
    case 'chain': {
      const chain = await chainIn(prover, step, position)
      const inner = partsOf(position).slice(1, -1)
      const accumulators = chain.accumulators(position.element, inner)
      return { type: 'accumulators', bytes: joined(accumulators) }
    }
    case 'segment': {
      const chain = await chainIn(prover, step, position)
      const operands = chain.operands({ element: position.element, segment: position.low })
      return { type: 'operands', bytes: Hex.from(operands) }
    }
    case 'slot':
      throw new MoveError('WrongPhase', 'A slot is proven wrong or not: nothing is to be shown.')
  }
}

/** The nodes that a reveal under the position's node shows. */
export function under(
  leaves: Leaves,
  at: { readonly level: number; readonly index: number },
): Hex.Hex[] {
  return nodesIn(leaves, spanUnder({ ...at, count: leaves.count })).map(Hex.from)
}

function enter(prover: Prover, index: number, trace: Leaves): Move.Of<'enter'> {
  const { state, batch, ops, results, leavesRoot } = prover.header
  const top = { level: depth(trace.count), index: 0 }
  const [root] = nodesIn(trace, { level: top.level, from: 0, to: 1 })
  return {
    type: 'enter',
    before: Hex.from(prover.stateRoot(index)),
    path: index === 0 ? [] : pathTo(prover.run, index - 1).map(Hex.from),
    after: Hex.from(prover.stateRoot(index + 1)),
    header: { state, batch, ops, results, leaves: Hex.from(leavesRoot) },
    trace: Hex.from(root!),
    nodes: under(trace, top),
  }
}

function tensor(root: Uint8Array, bytes: Uint8Array): Move.Of<'tensor'> {
  const leaves = leavesOfBytes(bytes)
  const isOneLeaf = leaves.count === 1
  return {
    type: 'tensor',
    root: Hex.from(root),
    nodes: isOneLeaf ? [] : under(leaves, { level: depth(leaves.count), index: 0 }),
    bytes: isOneLeaf ? Hex.from(bytes) : '0x',
  }
}

function joined(parts: readonly Uint8Array[]): Hex.Hex {
  return Hex.from(Buffer.concat(parts))
}
