import * as Assurance from '../protocol/Assurance.ts'
import type * as Bid from '../protocol/Bid.ts'
import * as Hex from '../protocol/Hex.ts'
import { auction, type Award } from './auction.ts'

/** A bid and what the buyer knows about who made it. */
export type Candidate = {
  readonly bid: Bid.Bid
  /** From question to answer; undefined when never measured. */
  readonly latencyMs?: number | undefined
  /** In [0, 1], see `reputation`. */
  readonly reputation: number
  /** What the provider's machine draws under load, of its offer; 0 when it does not say. */
  readonly watts: number
  /** Part of our recent jobs that went there, in [0, 1]. */
  readonly share: number
}

/**
 * How much worse than ideal a candidate is on one dimension, in [0, 1]. Criteria look at one candidate
 * alone, never at its rivals or its price, so that nobody can move another's handicap by bidding.
 */
export type Criterion = (candidate: Candidate) => number

/** The criteria that `Policy` weighs. Price is not among them: it is what the handicaps are added to. */
export const criteria = {
  /** A second from question to answer is as bad as it gets. */
  latency: ({ latencyMs = 250 }) => bounded(latencyMs / 1000),
  reputation: ({ reputation }) => bounded(1 - reputation),
  /** `exact` is ideal, `unverified` the worst. */
  tier: ({ bid }) => {
    const rank = Assurance.tiers.findIndex((tier) => tier === bid.tier)
    return rank < 0 ? 1 : rank / (Assurance.tiers.length - 1)
  },
  /** A kilowatt is as bad as it gets; a machine that does not say counts as half of that. */
  energy: ({ watts }) => (watts === 0 ? 0.5 : bounded(watts / 1000)),
  /** Spreads work, so that no provider becomes the one whose failure stops us. */
  concentration: ({ share }) => bounded(share),
} as const satisfies Record<string, Criterion>

/** For each criterion, how much of the price ceiling its worst value is worth to the buyer. */
export type Policy = { readonly [criterion in keyof typeof criteria]: number }

export const policies = {
  cheapest: { latency: 0, reputation: 0, tier: 0, energy: 0, concentration: 0 },
  balanced: { latency: 0.1, reputation: 0.5, tier: 0, energy: 0.02, concentration: 0.2 },
  fastest: { latency: 1, reputation: 0.5, tier: 0, energy: 0, concentration: 0.1 },
  safest: { latency: 0.05, reputation: 2, tier: 0.5, energy: 0, concentration: 0.5 },
} as const satisfies Record<string, Policy>

/**
 * Chooses the bids to accept, best first, and what each is paid: price, handicapped by the policy's
 * weighted criteria, goes to `auction`. Equal candidates are ordered by a hash of order and provider,
 * which nobody can steer by being early or by having a small address.
 */
export function select(
  candidates: readonly Candidate[],
  options: select.Options,
): readonly Award<select.Bidder>[] {
  const { policy = policies.balanced, ...rest } = options
  const bidders = candidates
    .map((candidate) => ({
      candidate,
      prices: candidate.bid,
      handicapMicro: handicapMicro(candidate, policy),
      lot: Hex.sha256(`${candidate.bid.order}${candidate.bid.provider}`),
    }))
    .toSorted((a, b) => (a.lot < b.lot ? -1 : 1))
  return auction(bidders, rest)
}

export declare namespace select {
  type Options = auction.Options & {
    /** @default policies.balanced */
    readonly policy?: Policy | undefined
  }
  type Bidder = auction.Bidder & { readonly candidate: Candidate }
}

/** The weighted sum of the criteria, in millionths of the price ceiling. */
export function handicapMicro(candidate: Candidate, policy: Policy): number {
  const names = Object.keys(criteria) as (keyof Policy)[]
  return Math.round(
    names.reduce((sum, name) => sum + Math.max(0, policy[name]) * criteria[name](candidate), 0) *
      1e6,
  )
}

function bounded(value: number): number {
  return Number.isFinite(value) ? Math.min(1, Math.max(0, value)) : 1
}
