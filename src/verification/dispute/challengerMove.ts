import { equal } from '../../exact/commit/merkle.ts'
import * as Hex from '../../protocol/Hex.ts'
import { type ChainIn, chainIn } from './chainIn.ts'
import { openGraphLeaf, proveSegment, proveSlot } from './challengerProofs.ts'
import { bytesOf, nodesOf } from './shown.ts'
import { under } from './claimantMove.ts'
import { partsOf } from './Game.ts'
import type * as Move from '../../protocol/dispute/Move.ts'
import { MoveError } from './MoveError.ts'
import type { Position } from '../../protocol/dispute/Position.ts'
import type { Prover } from './startProver.ts'
import { depth, leavesOfBytes, type Leaves, nodesIn, siblingsOf, stride } from './tree.ts'

/**
 * What an honest challenger does in its turn: it points at the first part that differs from what its own
 * prover finds, and proves the last one wrong. Where nothing differs it has been mistaken, and concedes.
 *
 * @param history the claimant's moves so far: the last, and those that showed the trace, are looked at again.
 * @throws {MoveError} when it is not the challenger's turn.
 */
export async function challengerMove(
  prover: Prover,
  position: Position,
  history: readonly Move.Move[],
): Promise<Move.Move> {
  const { phase, turn } = position
  if (turn !== 'challenger') throw new MoveError('OutOfTurn', "It is the claimant's turn.")
  if (phase === 'slot') return proveSlot(prover, await prover.step(position.step), position)
  const shown = history.at(-1)
  if (!shown) throw new MoveError('WrongNodes', "Nothing was shown: give the claimant's moves.")
  if (phase === 'run') {
    // A run that is right ends otherwise than the claim says: its last step cannot be entered.
    const isRight = firstDifference(under(prover.run, position), nodesOf(shown)) === undefined
    return pick(position, shown, { leaves: prover.run, last: isRight })
  }
  const step = await prover.step(position.step)
  switch (phase) {
    case 'trace':
      if (rootOf(step.trace) === position.trace) return { type: 'dispute-after' }
      return withOp(prover, position, pick(position, shown, { leaves: step.trace }))
    case 'after':
      return pick(position, shown, { leaves: step.after })
    case 'tensor': {
      const [bytes] = await step.values([position.value])
      return pick(position, shown, { leaves: leavesOfBytes(bytes!) })
    }
    case 'leaf': {
      const [bytes] = await step.values([position.value])
      return element(position, bytesOf(shown), bytes!)
    }
    case 'chain':
      return part(position, bytesOf(shown), await chainIn(prover, step, position))
    case 'segment':
      return proveSegment(prover, step, position, history)
    case 'step':
    case 'value':
      throw new MoveError('WrongPhase', `In the phase ${phase} the claimant moves.`)
  }
}

const concede: Move.Move = { type: 'concede' }

function pick(
  position: Position,
  shown: Move.Move,
  { leaves, last = false }: { leaves: Leaves; last?: boolean },
): Move.Move {
  const nodes = nodesOf(shown)
  const child = last ? nodes.length - 1 : firstDifference(under(leaves, position), nodes)
  if (child === undefined) return concede
  return {
    type: 'pick',
    child,
    node: nodes[child]!,
    siblings: siblingsOf(nodes.map(Hex.toBytes), child).map(Hex.from),
  }
}

/** At the bottom of a trace, the graph's leaf of the value comes along. */
function withOp(prover: Prover, position: Position, move: Move.Move): Move.Move {
  if (move.type !== 'pick' || position.level > stride(position.level)) return move
  const first = position.index * 2 ** stride(position.level)
  return { ...move, op: openGraphLeaf(prover, position.stateCount + first + move.child) }
}

function element(position: Position, shown: Uint8Array, own: Uint8Array): Move.Move {
  const from = position.index * 256
  const at = shown.findIndex((byte, index) => byte !== own[from + index])
  if (at < 0) return concede
  const place = Math.floor(at / position.elementBytes)
  return { type: 'element', place, bytes: Hex.from(shown) }
}

function part(position: Position, shown: Uint8Array, chain: ChainIn): Move.Move {
  const { width } = position
  const own = chain.accumulators(position.element, partsOf(position).slice(1, -1))
  const wrong = own.findIndex(
    (acc, index) => !equal(acc, shown.subarray(index * width, (index + 1) * width)),
  )
  // Where all accumulators are right, the last part must be wrong: its end is.
  return { type: 'part', part: wrong < 0 ? own.length : wrong, bytes: Hex.from(shown) }
}

function firstDifference(own: readonly Hex.Hex[], shown: readonly Hex.Hex[]): number | undefined {
  const at = shown.findIndex((node, index) => node !== own[index])
  return at < 0 ? undefined : at
}

function rootOf(leaves: Leaves): Hex.Hex {
  const [root] = nodesIn(leaves, { level: depth(leaves.count), from: 0, to: 1 })
  return Hex.from(root!)
}
