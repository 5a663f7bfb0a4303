import { BaseError } from '../../runtime/Errors.ts'

/** Why a move is refused. */
export type Refusal =
  /** It is the other's turn, or the move has no place in this phase. */
  | 'OutOfTurn'
  | 'WrongPhase'
  /** Too few or too many nodes, or they do not hash to the node. */
  | 'WrongNodes'
  /** An opening that does not prove what it says. */
  | 'WrongPath'
  /** A graph leaf that is missing, in excess, malformed, or another than the one in dispute. */
  | 'WrongLeaf'
  /** A child, element, part or read that does not exist. */
  | 'WrongPlace'
  /** States that are not those of the run. */
  | 'WrongState'
  /** A header that is not the graph's, or a graph that nobody may claim. */
  | 'WrongGraph'
  /** Bytes of the wrong length, or others than were shown. */
  | 'WrongBytes'
  /** A proof that proves nothing: what the claimant showed is right there. */
  | 'NoFault'

/** Thrown when a move is not what it must be. It changes nothing, and the clock of who made it runs on. */
export class MoveError extends BaseError {
  override readonly code: `Dispute.${Refusal}`

  constructor(refusal: Refusal, shortMessage: string, options: BaseError.Options = {}) {
    super(shortMessage, options)
    this.code = `Dispute.${refusal}`
  }
}
