import type { ChainEvent, DisputeEvent } from '../chain/Chain.ts'
import type * as Hex from '../protocol/Hex.ts'

/** What the chain says about one account, added up over its events. */
export type Account = {
  readonly deposited: bigint
  readonly withdrawn: bigint
  readonly claimed: bigint
  readonly earningsWithdrawn: bigint
  readonly registered: boolean
  readonly stake: bigint
  readonly peerId: string | null
  readonly offerUri: string | null
}

export const newAccount: Account = {
  deposited: 0n,
  withdrawn: 0n,
  claimed: 0n,
  earningsWithdrawn: 0n,
  registered: false,
  stake: 0n,
  peerId: null,
  offerUri: null,
}

/** What the chain says about one lease. Times are milliseconds. */
export type Lease = {
  readonly buyer: Hex.Address
  readonly provider: Hex.Address
  readonly nonce: bigint
  readonly total: bigint
  readonly claimed: bigint
  readonly refunded: bigint
  readonly terms: Hex.Hex
  readonly openedAt: number
  readonly expiresAt: number
  readonly closedAt: number | null
}

/** What the whole vault has seen, added up over all events. */
export type Money = {
  readonly deposited: bigint
  readonly reserved: bigint
  readonly claimed: bigint
  readonly refunded: bigint
  readonly withdrawnByBuyers: bigint
  readonly withdrawnByProviders: bigint
}

export const noMoney: Money = {
  deposited: 0n,
  reserved: 0n,
  claimed: 0n,
  refunded: 0n,
  withdrawnByBuyers: 0n,
  withdrawnByProviders: 0n,
}

/** The account after one event, seen as the account `address`. */
export function account(before: Account, address: Hex.Address, event: ChainEvent): Account {
  if (isOfDisputes(event)) return before
  switch (event.type) {
    case 'deposited':
      return { ...before, deposited: before.deposited + event.amountMicroUsd }
    case 'withdrawn':
      return { ...before, withdrawn: before.withdrawn + event.amountMicroUsd }
    case 'claimed':
      return event.provider === address
        ? { ...before, claimed: before.claimed + event.amountMicroUsd }
        : before
    case 'earnings-withdrawn':
      return { ...before, earningsWithdrawn: before.earningsWithdrawn + event.amountMicroUsd }
    case 'registered':
      return {
        ...before,
        registered: true,
        stake: event.stakeMicroUsd,
        peerId: event.peerId.slice(0, textLength),
        offerUri: event.offerUri.slice(0, textLength),
      }
    case 'unbonded':
    case 'slashed':
      return { ...before, stake: atLeastZero(before.stake - event.amountMicroUsd) }
    case 'lease-opened':
    case 'lease-closed':
      return before
  }
}

/** The lease after one event that names it; undefined while it was never opened. */
export function lease(before: Lease | undefined, event: ChainEvent): Lease | undefined {
  const at = event.timestampSeconds * 1000
  if (event.type === 'lease-opened')
    return {
      buyer: event.buyer,
      provider: event.provider,
      nonce: event.nonce,
      total: event.totalMicroUsd,
      claimed: before?.claimed ?? 0n,
      refunded: before?.refunded ?? 0n,
      terms: event.terms,
      openedAt: before?.openedAt ?? at,
      expiresAt: event.expirySeconds * 1000,
      closedAt: before?.closedAt ?? null,
    }
  if (!before) return undefined
  if (event.type === 'claimed') return { ...before, claimed: before.claimed + event.amountMicroUsd }
  if (event.type === 'lease-closed')
    return { ...before, refunded: before.refunded + event.refundMicroUsd, closedAt: at }
  return before
}

/**
 * The vault's sums after one event.
 *
 * @param reservedBefore The total of the lease that the event opens or raises, as it was before; else 0.
 */
export function money(before: Money, event: ChainEvent, reservedBefore: bigint): Money {
  if (isOfDisputes(event)) return before
  switch (event.type) {
    case 'deposited':
      return { ...before, deposited: before.deposited + event.amountMicroUsd }
    case 'withdrawn':
      return { ...before, withdrawnByBuyers: before.withdrawnByBuyers + event.amountMicroUsd }
    case 'lease-opened':
      return { ...before, reserved: before.reserved + event.totalMicroUsd - reservedBefore }
    case 'claimed':
      return {
        ...before,
        reserved: before.reserved - event.amountMicroUsd,
        claimed: before.claimed + event.amountMicroUsd,
      }
    case 'lease-closed':
      return {
        ...before,
        reserved: before.reserved - event.refundMicroUsd,
        refunded: before.refunded + event.refundMicroUsd,
      }
    case 'earnings-withdrawn':
      return {
        ...before,
        withdrawnByProviders: before.withdrawnByProviders + event.amountMicroUsd,
      }
    case 'registered':
    case 'unbonded':
    case 'slashed':
      return before
  }
}

/** What the vault must hold: free + reserved + earned. Stake lies with the registry, not with the vault. */
export function owed(sums: Money): bigint {
  return sums.deposited - sums.withdrawnByBuyers - sums.withdrawnByProviders
}

type OfDisputes = Extract<ChainEvent, { readonly type: DisputeEvent['type'] }>

/** Bonds are not of the vault, and stake that a dispute takes is told by the registry, too. */
function isOfDisputes(event: ChainEvent): event is OfDisputes {
  return Object.hasOwn(disputeTypes, event.type)
}

const disputeTypes: Readonly<Record<DisputeEvent['type'], true>> = {
  'dispute-deposited': true,
  'dispute-withdrawn': true,
  challenged: true,
  'dispute-moved': true,
  'dispute-adopted': true,
  'dispute-ended': true,
  'claim-released': true,
  'claimant-slashed': true,
  'bond-burned': true,
}

/** Texts from the chain are shown no longer than this. */
const textLength = 256

function atLeastZero(value: bigint): bigint {
  return value < 0n ? 0n : value
}
