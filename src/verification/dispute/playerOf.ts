import type { ExactClaim } from '../../protocol/ExactClaim.ts'
import * as Hex from '../../protocol/Hex.ts'
import type * as Move from '../../protocol/dispute/Move.ts'
import type { Position } from '../../protocol/dispute/Position.ts'
import * as Told from '../../protocol/dispute/Told.ts'
import { challengerMove } from './challengerMove.ts'
import { openGraphLeaf } from './challengerProofs.ts'
import { claimantMove } from './claimantMove.ts'
import * as Game from './Game.ts'
import type { Prover } from './startProver.ts'
import { bytesOf, nodesOf } from './shown.ts'
import { siblingsOf, stride } from './tree.ts'

/** Where a dispute stands, and the claimant's moves that led there. */
export type Seat = { readonly position: Position; readonly shown: readonly Move.Move[] }

/** Plays a dispute by what a prover finds, whichever side it is asked for. */
export type Player = {
  /** What to do in the turn of whom the position says. */
  readonly move: (seat: Seat) => Promise<Move.Move>
  /**
   * Where a dispute stands after a move of which only the chain's event is known.
   *
   * @throws {MoveError} when the dispute is about another graph than ours, or the move is not what it must be.
   */
  readonly follow: (seat: Seat, told: Told.Told) => Seat
}

/** Makes a player of a claim's dispute. */
export function playerOf(claim: ExactClaim, prover: Prover): Player {
  return {
    move: ({ position, shown }) =>
      position.turn === 'claimant'
        ? claimantMove(prover, position)
        : challengerMove(prover, position, shown),
    follow(seat, told) {
      const { position, shown } = seat
      if (told.type === 'enter') {
        const { state, batch, ops, results, leavesRoot } = prover.header
        const header = { state, batch, ops, results, leaves: Hex.from(leavesRoot) }
        // The contract has seen the path; nobody needs it again.
        const move: Move.Of<'enter'> = { ...told, nodes: [...told.nodes], path: [], header }
        return { position: Game.entered(position, move), shown: [...shown, move] }
      }
      const move = wholeOf(prover, seat, told)
      const outcome = Game.play(claim, position, move)
      if (outcome.type === 'end') return seat
      const isClaimants = position.turn === 'claimant'
      return { position: outcome.position, shown: isClaimants ? [...shown, move] : shown }
    },
  }
}

/** The whole move: what is not told follows from what was shown before, and from the graph. */
function wholeOf(
  prover: Prover,
  { position, shown }: Seat,
  told: Exclude<Told.Told, { type: 'enter' }>,
): Move.Move {
  switch (told.type) {
    case 'reveal':
      return { type: told.type, nodes: [...told.nodes] }
    case 'tensor': {
      const { type, root, rest } = told
      return position.byteLength > 256
        ? { type, root, nodes: [...Told.wordsOf(rest)], bytes: '0x' }
        : { type, root, nodes: [], bytes: rest }
    }
    case 'leaf':
    case 'accumulators':
    case 'operands':
      return { type: told.type, bytes: told.bytes }
    case 'dispute-after':
      return { type: told.type }
    case 'pick':
      return pickOf(prover, { position, shown }, told)
    case 'element':
      return { ...told, bytes: Hex.from(bytesOf(shown.at(-1)!)) }
    case 'part':
      return { ...told, bytes: Hex.from(bytesOf(shown.at(-1)!)) }
  }
}

function pickOf(
  prover: Prover,
  { position, shown }: Seat,
  { type, child }: Extract<Told.Told, { type: 'pick' }>,
): Move.Move {
  const { phase, level, index, node, stateCount } = position
  const isOnlyLeaf = level === 0
  const nodes = isOnlyLeaf ? [node] : nodesOf(shown.at(-1)!)
  const siblings = siblingsOf(nodes.map(Hex.toBytes), child).map(Hex.from)
  const move = { type, child, node: nodes[child] ?? Hex.zero, siblings } as const
  const down = stride(level)
  if (phase !== 'trace' || level > down) return move
  return { ...move, op: openGraphLeaf(prover, stateCount + index * 2 ** down + child) }
}
