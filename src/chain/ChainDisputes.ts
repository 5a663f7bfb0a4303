import type * as DisputeKey from '../protocol/dispute/DisputeKey.ts'
import type * as Move from '../protocol/dispute/Move.ts'
import type { Party, Position } from '../protocol/dispute/Position.ts'
import type { Told } from '../protocol/dispute/Told.ts'
import type { ExactClaim } from '../protocol/ExactClaim.ts'
import type * as Hex from '../protocol/Hex.ts'
import type { Ply } from '../protocol/Ply.ts'

/** The part of the chain's port that is about disputes (`docs/disputes.md`). */

/** The contract of disputes, and its constants. */
export type DisputeParameters = {
  readonly address: Hex.Address
  /** Time of each party for all its moves of a dispute. */
  readonly clockSeconds: number
  /** The longest a claim may be open to challenge, so that the stake is still there when it falls. */
  readonly windowSeconds: number
  /** How long credit waits between being asked back and being paid. */
  readonly withdrawalDelaySeconds: number
}

/** A dispute as the chain stores it. */
export type DisputeState = {
  readonly state: 'none' | 'open' | 'claimant-won' | 'challenger-won' | 'closed'
  /** Hash of the position. */
  readonly position: Hex.Hex
  /** How many moves led there. */
  readonly number: number
  readonly turn: Party
  /** What was left of each clock at the last move; since then the clock of `turn` runs. */
  readonly claimantSeconds: number
  readonly challengerSeconds: number
  readonly movedAtSeconds: number
}

/** What the chain knows of a claim. `final`: its window is over, and nobody has proven it wrong. */
export type ClaimState = {
  readonly state: 'none' | 'challenged' | 'rejected' | 'final'
  /** What is reserved of it, or was: never more than its claimant had. */
  readonly bondMicroUsd: bigint
  /** Disputes that are open. */
  readonly open: number
}

export type DisputeAction =
  /** Moves the account's own money to the credit for bonds of `account`; one transaction, by EIP-3009. */
  | {
      readonly type: 'dispute-deposit'
      readonly account: Hex.Address
      readonly amountMicroUsd: bigint
    }
  | { readonly type: 'dispute-request-withdrawal'; readonly amountMicroUsd: bigint }
  | { readonly type: 'dispute-withdraw' }
  /** Opens a dispute of our own about somebody's signed claim. */
  | { readonly type: 'challenge'; readonly claim: ExactClaim; readonly signature: Hex.Hex }
  /** A move in our turn, also the last: a proof, or conceding. */
  | {
      readonly type: 'dispute-move'
      readonly claim: ExactClaim
      readonly challenger: Hex.Address
      readonly position: Position
      readonly move: Move.Move
    }
  /** Goes on from a position that both have signed; anyone. */
  | ({ readonly type: 'dispute-adopt'; readonly key: DisputeKey.DisputeKey } & Adoptable)
  /** Ends a dispute for the other when the clock of who is in turn has run out; anyone. */
  | { readonly type: 'dispute-timeout'; readonly key: DisputeKey.DisputeKey }
  /** Ends a dispute whose claim was rejected in another; anyone. */
  | { readonly type: 'dispute-close'; readonly key: DisputeKey.DisputeKey }
  /** Gives the bond of a final claim back; anyone. */
  | { readonly type: 'release-claim'; readonly claim: ExactClaim }
  /** After a dispute that the challenger won: takes stake of the claimant for it; anyone. */
  | {
      readonly type: 'slash-claimant'
      readonly claim: ExactClaim
      readonly challenger: Hex.Address
    }
  /** Destroys the part of a rejected claim's bond that nobody gets; anyone. */
  | { readonly type: 'burn-bond'; readonly claim: Hex.Hex }

/** A position that both parties have signed. */
export type Adoptable = {
  readonly position: Position
  readonly ply: Ply
  readonly claimantSignature: Hex.Hex
  readonly challengerSignature: Hex.Hex
}

/** How a dispute ended: by a proof, or otherwise. */
export type EndedBy =
  | 'prove-read'
  | 'prove-arithmetic'
  | 'prove-slot'
  | 'concede'
  | 'timeout'
  | 'close'

/** The whole move, where it can be read from the transaction: who moves by way of another contract hides it. */
export type Made = { readonly position: Position; readonly move: Move.Move }

export type DisputeEvent =
  | {
      readonly type: 'dispute-deposited'
      readonly account: Hex.Address
      readonly from: Hex.Address
      readonly amountMicroUsd: bigint
    }
  | {
      readonly type: 'dispute-withdrawn'
      readonly account: Hex.Address
      readonly amountMicroUsd: bigint
    }
  /** A dispute began. */
  | {
      readonly type: 'challenged'
      readonly dispute: Hex.Hex
      readonly key: DisputeKey.DisputeKey
      readonly claim: ExactClaim
      readonly bondMicroUsd: bigint
      readonly gasUsed: bigint
    }
  /** A party moved, to the position with this hash. */
  | {
      readonly type: 'dispute-moved'
      readonly dispute: Hex.Hex
      readonly number: number
      readonly position: Hex.Hex
      readonly told: Told
      readonly made: Made | undefined
      readonly gasUsed: bigint
    }
  /** The parties went on from where they had come off the chain. */
  | {
      readonly type: 'dispute-adopted'
      readonly dispute: Hex.Hex
      readonly ply: Ply
      readonly position: Position
      readonly gasUsed: bigint
    }
  | {
      readonly type: 'dispute-ended'
      readonly dispute: Hex.Hex
      readonly claim: Hex.Hex
      readonly state: 'claimant-won' | 'challenger-won' | 'closed'
      readonly by: EndedBy
      readonly made: Made | undefined
      readonly gasUsed: bigint
    }
  | { readonly type: 'claim-released'; readonly claim: Hex.Hex; readonly bondMicroUsd: bigint }
  /** Stake of the loser became credit of the winner. */
  | {
      readonly type: 'claimant-slashed'
      readonly dispute: Hex.Hex
      readonly claimant: Hex.Address
      readonly winner: Hex.Address
      readonly amountMicroUsd: bigint
    }
  | { readonly type: 'bond-burned'; readonly claim: Hex.Hex; readonly amountMicroUsd: bigint }
