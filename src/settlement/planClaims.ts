import type { Claim, LeaseState } from '../chain/Chain.ts'
import type * as Lease from '../protocol/Lease.ts'
import type { Signed } from '../protocol/SignedMessage.ts'
import type * as Voucher from '../protocol/Voucher.ts'

/** What is to be settled in one lease. */
export type Claimable = {
  readonly key: Lease.Key
  /** The highest. */
  readonly voucher: Signed<Voucher.Voucher> | undefined
  /** To be closed as soon as the voucher is claimed. */
  readonly release: boolean
}

/** A lease with what is known of it now. */
export type Item = Claimable & {
  /** What the chain says. */
  readonly state: LeaseState
  /** Since when there has been something to claim, ms. */
  readonly owedSince: number
  /** The block at which the chain was first seen to have paid the voucher in full. */
  readonly paidAtBlock: bigint | undefined
}

export type Plan = {
  readonly batches: readonly (readonly Item[])[]
  readonly closes: readonly Item[]
}

/**
 * Decides what to send now. Vouchers wait until enough has gathered, one has waited long enough, or a
 * lease ends; then all that are worth their gas go together. A lease is closed when it has expired, or
 * when it is to be released and its claim is some blocks deep, so that no rollback comes between.
 */
export function planClaims(items: readonly Item[], facts: planClaims.Facts): Plan {
  const { batchSize, batchMicroUsd, headNumber, headSeconds, confirmations } = facts
  const open = items.filter(({ state }) => state.state === 'open')
  const running = open.filter(({ state }) => headSeconds < state.expirySeconds)
  const worth = running
    .filter((item) => owedMicroUsd(item) > facts.voucherCostMicroUsd)
    .toSorted((a, b) => a.state.expirySeconds - b.state.expirySeconds)
  const gathered = worth.reduce((sum, item) => sum + owedMicroUsd(item), 0n)
  const isDue = gathered >= batchMicroUsd || worth.some((item) => urgent(item, facts))
  return {
    batches: isDue ? chunks(worth, batchSize) : [],
    closes: open.filter((item) => {
      if (headSeconds >= item.state.expirySeconds) return true
      if (!item.release) return false
      if (item.voucher === undefined || item.voucher.message.cumulativeMicroUsd === 0n) return true
      if (owedMicroUsd(item) > 0n) return owedMicroUsd(item) <= facts.voucherCostMicroUsd
      const { paidAtBlock } = item
      return paidAtBlock !== undefined && headNumber - paidAtBlock >= BigInt(confirmations)
    }),
  }
}

export declare namespace planClaims {
  type Facts = {
    readonly nowMs: number
    readonly headNumber: bigint
    readonly headSeconds: number
    /** Vouchers of one transaction. */
    readonly batchSize: number
    /** Claim when this much has gathered. */
    readonly batchMicroUsd: bigint
    /** What the gas of one voucher costs; smaller amounts wait, and are given up when a lease ends. */
    readonly voucherCostMicroUsd: bigint
    /** The longest that a voucher waits. */
    readonly maxAgeMs: number
    /** How long before its expiry a lease is claimed whatever it is worth. */
    readonly expiryMarginSeconds: number
    /** Blocks after which a claim is believed. */
    readonly confirmations: number
  }
}

/** What can be claimed now; zero when the voucher exceeds what the chain reserves, which it would refuse. */
export function owedMicroUsd({ voucher, state }: Pick<Item, 'voucher' | 'state'>): bigint {
  const promised = voucher?.message.cumulativeMicroUsd ?? 0n
  if (state.state !== 'open' || promised > state.totalMicroUsd) return 0n
  return promised > state.claimedMicroUsd ? promised - state.claimedMicroUsd : 0n
}

/** The claim of an item that has a voucher. */
export function claimOf({ key, voucher }: Claimable): Claim {
  if (!voucher) throw new RangeError('There is no voucher to claim.')
  const { message, signature } = voucher
  const { cumulativeMicroUsd } = message
  return { buyer: key.buyer, nonce: key.nonce, cumulativeMicroUsd, signature }
}

function urgent(item: Item, facts: planClaims.Facts): boolean {
  const secondsLeft = item.state.expirySeconds - facts.headSeconds
  return (
    item.release ||
    secondsLeft <= facts.expiryMarginSeconds ||
    facts.nowMs - item.owedSince >= facts.maxAgeMs
  )
}

function chunks<item>(items: readonly item[], size: number): readonly (readonly item[])[] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  )
}
