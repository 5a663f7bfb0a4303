import * as Completion from '../../protocol/Completion.ts'
import type * as Assurance from '../../protocol/Assurance.ts'
import type * as Hex from '../../protocol/Hex.ts'
import * as Lease from '../../protocol/Lease.ts'
import { inputTokensLimit } from '../checkReceipt.ts'
import type { LeaseRow } from './rows.ts'

/** A lease that the buyer holds: its row of the journal, and what only this life knows. */
export type Held = Mutable<LeaseRow> & {
  readonly id: Hex.Hex
  /** Jobs running in it. */
  inFlight: number
  /** The most that running jobs may cost, and the price of delivered ones that are not decided yet. */
  heldMicroUsd: bigint
  /** Stride scheduling: the lease with the least has been used least for its weight. */
  pass: number
  /** No job is sent before then. */
  restUntil: number
  /** Whether a loop is bringing it up, a payment is on its way, its total is being raised. */
  bringing: boolean
  paying: boolean
  raising: boolean
  /** Probes in a row that the provider answered wrongly. */
  failedProbes: number
  /** When it was last compared with the chain. */
  checkedAt: number
  /** When the chain first said that it is closed. */
  closedAt: number | undefined
}

type Mutable<type> = { -readonly [key in keyof type]: type[key] }

/** Holds a lease that was just signed, or that the journal remembers. */
export function hold(row: LeaseRow): Held {
  return {
    ...row,
    id: Lease.id(row.lease.message),
    inFlight: 0,
    heldMicroUsd: 0n,
    pass: 0,
    restUntil: 0,
    bringing: false,
    paying: false,
    raising: false,
    failedProbes: 0,
    checkedAt: 0,
    closedAt: undefined,
  }
}

/** What the journal keeps of it. */
export function rowOf(held: Held): LeaseRow {
  const { lease, bid, order, prices, peerId, addresses, state, confirmedMicroUsd, readied } = held
  const { voucher, unsent, createdAt } = held
  return {
    lease,
    bid,
    order,
    prices,
    peerId,
    addresses,
    state,
    confirmedMicroUsd,
    readied,
    voucher,
    unsent,
    createdAt,
  }
}

export function providerOf({ lease }: Held): Hex.Address {
  return lease.message.provider
}

export function tierOf({ bid }: Held): Assurance.Tier {
  return bid.message.tier as Assurance.Tier
}

/** Highest voucher signed. */
export function signedMicroUsd({ voucher }: Held): bigint {
  return voucher?.message.cumulativeMicroUsd ?? 0n
}

/** What new jobs may still cost. */
export function availableMicroUsd(held: Held): bigint {
  return held.confirmedMicroUsd - signedMicroUsd(held) - held.heldMicroUsd
}

export function expiresAtMs({ lease }: Held): number {
  return lease.message.expirySeconds * 1000
}

/** The most that a request can cost in this lease. */
export function worstCostMicroUsd({ prices }: Held, request: Completion.Request): bigint {
  const usage = { inputTokens: inputTokensLimit(request), outputTokens: request.maxTokens }
  return Completion.priceMicroUsd(usage, prices)
}
