import type { Adoptable } from '../chain/Chain.ts'
import type { DisputeKey } from '../protocol/dispute/DisputeKey.ts'
import type * as Move from '../protocol/dispute/Move.ts'
import type { Party, Position } from '../protocol/dispute/Position.ts'
import type { Told } from '../protocol/dispute/Told.ts'
import type { ExactClaim } from '../protocol/ExactClaim.ts'
import type * as Hex from '../protocol/Hex.ts'

/** A dispute that we are a party of. */
export type OurDispute = {
  readonly id: Hex.Hex
  readonly key: DisputeKey
  readonly claim: ExactClaim
  readonly role: Party
}

/** Where a dispute stands, and the claimant's moves that led there. */
export type Seat = { readonly position: Position; readonly shown: readonly Move.Move[] }

/** Knows the moves of a dispute; `playerOf` of `verification/` is one. */
export type DisputePlayer = {
  move(seat: Seat): Promise<Move.Move>
  follow(seat: Seat, told: Told): Seat
}

/** What was played off the chain, by the journal of it. */
export type OffChain = {
  /** How far a dispute came there; `shown` are the claimant's moves up to `newest`, where we are the challenger. */
  read(
    dispute: OurDispute,
  ): Promise<
    { readonly newest?: Adoptable | undefined; readonly shown: readonly Move.Move[] } | undefined
  >
  /** Plays our side as challenger as far as the claimant plays along. A claimant answers all the time. */
  play?: ((dispute: OurDispute, options: { signal: AbortSignal }) => Promise<void>) | undefined
}

/** What a keeper of disputes did or saw. */
export type Report = {
  readonly dispute: Hex.Hex
  readonly what:
    | 'challenged'
    | 'adopted'
    | 'moved'
    | 'timed-out'
    | 'closed'
    | 'won'
    | 'lost'
    | 'slashed'
    | 'burned'
    | 'released'
  /** The move's type, or the amount. */
  readonly detail?: string | undefined
  readonly gasUsed?: bigint | undefined
}
