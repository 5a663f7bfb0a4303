import type * as Hex from '../protocol/Hex.ts'
import * as Lease from '../protocol/Lease.ts'
import * as Signature from '../protocol/Signature.ts'
import * as Voucher from '../protocol/Voucher.ts'
import type { Action, Claim } from './Chain.ts'
import { disputeRules } from './ledgerDisputes.ts'
import {
  type Context,
  type Draft,
  draftOf,
  type LedgerEvent,
  largestAmountMicroUsd,
  Refusal,
  type RulesOf,
  type State,
  takeStake,
  transfer,
  zeroAddress,
} from './ledgerDraft.ts'

export {
  noClaim,
  noDeposit,
  noDispute,
  noLease,
  noRegistration,
  type Context,
  type DisputeGame,
  type LedgerEvent,
  type State,
} from './ledgerDraft.ts'

/**
 * The rules of `TestUSD`, `Vault`, `ProviderRegistry` and `Disputes` as one pure state machine. It checks what
 * they check, in their order, and names its errors as they do; a differential test keeps it so.
 */
export function apply(state: State, action: Action, context: Context): Result {
  const draft = draftOf(state)
  try {
    const events = rules[action.type](draft, action as never, context)
    return { type: 'applied', changes: draft.changes, events }
  } catch (error) {
    if (error instanceof Refusal) return { type: 'refused', error: error.name }
    throw error
  }
}

/** A ledger in which nothing has happened. */
export function empty(): State {
  return {
    balances: new Map(),
    deposits: new Map(),
    leases: new Map(),
    earned: new Map(),
    registrations: new Map(),
    credits: new Map(),
    claims: new Map(),
    disputes: new Map(),
  }
}

/** New values of what changed, or the name of the contract's error; a refused action changes nothing. */
export type Result =
  | { readonly type: 'applied'; readonly changes: State; readonly events: readonly LedgerEvent[] }
  | { readonly type: 'refused'; readonly error: string }

/** No lease lasts longer than this. */
export const longestLeaseSeconds = 366 * 24 * 3600

/** The test token makes at most this much at once. */
export const largestMintMicroUsd = 2n ** 64n - 1n

/** Texts in a registration, in bytes of UTF-8. */
export const longestPeerIdBytes = 128
export const longestOfferUriBytes = 512

const rules: RulesOf<Action['type']> = {
  mint(draft, { to, amountMicroUsd }) {
    if (amountMicroUsd === 0n) throw new Refusal('ZeroAmount')
    if (amountMicroUsd > largestMintMicroUsd) throw new Refusal('AmountTooLarge')
    if (to === zeroAddress) throw new Refusal('ERC20InvalidReceiver')
    draft.balance.set(to, draft.balance.get(to) + amountMicroUsd)
    return []
  },

  deposit(draft, { buyer, amountMicroUsd }, { sender, domain }) {
    if (amountMicroUsd === 0n) throw new Refusal('ZeroAmount')
    if (buyer === zeroAddress) throw new Refusal('ZeroAddress')
    const deposit = draft.deposit.get(buyer)
    const held = deposit.freeMicroUsd + deposit.reservedMicroUsd
    if (held + amountMicroUsd > largestAmountMicroUsd) throw new Refusal('AmountTooLarge')
    transfer(draft, sender, domain.vault, amountMicroUsd)
    draft.deposit.set(buyer, { ...deposit, freeMicroUsd: deposit.freeMicroUsd + amountMicroUsd })
    return [{ type: 'deposited', buyer, amountMicroUsd }]
  },

  'request-withdrawal'(draft, { amountMicroUsd }, { sender, parameters, timestampSeconds }) {
    if (amountMicroUsd === 0n) throw new Refusal('ZeroAmount')
    if (amountMicroUsd > largestAmountMicroUsd) throw new Refusal('AmountTooLarge')
    draft.deposit.set(sender, {
      ...draft.deposit.get(sender),
      withdrawingMicroUsd: amountMicroUsd,
      withdrawableAtSeconds: timestampSeconds + parameters.withdrawalDelaySeconds,
    })
    return []
  },

  withdraw(draft, _, { sender, domain, timestampSeconds }) {
    const deposit = draft.deposit.get(sender)
    const { freeMicroUsd, withdrawingMicroUsd, withdrawableAtSeconds } = deposit
    const amountMicroUsd = freeMicroUsd < withdrawingMicroUsd ? freeMicroUsd : withdrawingMicroUsd
    if (amountMicroUsd === 0n) throw new Refusal('NothingToWithdraw')
    if (timestampSeconds < withdrawableAtSeconds) throw new Refusal('WithdrawalTooEarly')
    draft.deposit.set(sender, {
      ...deposit,
      freeMicroUsd: freeMicroUsd - amountMicroUsd,
      withdrawingMicroUsd: 0n,
      withdrawableAtSeconds: 0,
    })
    transfer(draft, domain.vault, sender, amountMicroUsd)
    return [{ type: 'withdrawn', buyer: sender, amountMicroUsd }]
  },

  'open-lease': openLease,
  claim,

  'close-lease'(draft, { key }, { sender, timestampSeconds }) {
    const id = Lease.id(key)
    const lease = draft.lease.get(id)
    if (lease.state !== 'open') throw new Refusal('LeaseNotOpen')
    if (sender !== key.provider && timestampSeconds < lease.expirySeconds)
      throw new Refusal('LeaseStillRunning')
    const refundMicroUsd = lease.totalMicroUsd - lease.claimedMicroUsd
    const deposit = draft.deposit.get(key.buyer)
    draft.lease.set(id, { ...lease, state: 'closed' })
    draft.deposit.set(key.buyer, {
      ...deposit,
      freeMicroUsd: deposit.freeMicroUsd + refundMicroUsd,
      reservedMicroUsd: deposit.reservedMicroUsd - refundMicroUsd,
    })
    return [{ type: 'lease-closed', lease: id, refundMicroUsd }]
  },

  'withdraw-earned'(draft, _, { sender, domain }) {
    const amountMicroUsd = draft.earned.get(sender)
    if (amountMicroUsd === 0n) throw new Refusal('NothingToWithdraw')
    draft.earned.set(sender, 0n)
    transfer(draft, domain.vault, sender, amountMicroUsd)
    return [{ type: 'earnings-withdrawn', provider: sender, amountMicroUsd }]
  },

  register(draft, { peerId, offerUri, stakeMicroUsd: added }, { sender, parameters }) {
    if (peerId === '') throw new Refusal('EmptyPeerId')
    if (Buffer.byteLength(peerId) > longestPeerIdBytes) throw new Refusal('TextTooLong')
    if (Buffer.byteLength(offerUri) > longestOfferUriBytes) throw new Refusal('TextTooLong')
    const before = draft.registration.get(sender)
    const stakeMicroUsd = before.stakeMicroUsd + added
    if (stakeMicroUsd === 0n) throw new Refusal('ZeroAmount')
    if (stakeMicroUsd + before.unbondingMicroUsd > largestAmountMicroUsd)
      throw new Refusal('AmountTooLarge')
    if (added > 0n) transfer(draft, sender, parameters.registry, added)
    draft.registration.set(sender, { ...before, registered: true, stakeMicroUsd })
    return [{ type: 'registered', provider: sender, peerId, offerUri, stakeMicroUsd }]
  },

  'request-unbond'(draft, { amountMicroUsd }, { sender, parameters, timestampSeconds }) {
    const before = draft.registration.get(sender)
    if (amountMicroUsd === 0n) throw new Refusal('ZeroAmount')
    if (amountMicroUsd > before.stakeMicroUsd) throw new Refusal('InsufficientStake')
    const stakeMicroUsd = before.stakeMicroUsd - amountMicroUsd
    draft.registration.set(sender, {
      registered: stakeMicroUsd > 0n,
      stakeMicroUsd,
      unbondingMicroUsd: before.unbondingMicroUsd + amountMicroUsd,
      unbondableAtSeconds: timestampSeconds + parameters.unbondingDelaySeconds,
    })
    return []
  },

  unbond(draft, _, { sender, parameters, timestampSeconds }) {
    const before = draft.registration.get(sender)
    const amountMicroUsd = before.unbondingMicroUsd
    if (amountMicroUsd === 0n) throw new Refusal('NothingToUnbond')
    if (timestampSeconds < before.unbondableAtSeconds) throw new Refusal('UnbondingTooEarly')
    draft.registration.set(sender, { ...before, unbondingMicroUsd: 0n, unbondableAtSeconds: 0 })
    transfer(draft, parameters.registry, sender, amountMicroUsd)
    return [{ type: 'unbonded', provider: sender, amountMicroUsd }]
  },

  slash(draft, { provider, amountMicroUsd, beneficiary }, context) {
    if (context.sender !== context.court) throw new Refusal('NotCourt')
    const taken = takeStake(draft, { provider, amountMicroUsd, beneficiary }, context)
    return [{ type: 'slashed', provider, amountMicroUsd: taken }]
  },

  ...disputeRules,
}

function openLease(
  draft: Draft,
  { lease, signature }: Extract<Action, { type: 'open-lease' }>,
  { domain, timestampSeconds }: Context,
): readonly LedgerEvent[] {
  const { buyer, provider, nonce, totalMicroUsd, expirySeconds, terms } = lease
  const id = Lease.id(lease)
  if (!Signature.verify(Lease.hash(domain, lease), signature, buyer))
    throw new Refusal('InvalidSignature')
  if (timestampSeconds > lease.deadlineSeconds) throw new Refusal('SignatureExpired')
  if (timestampSeconds >= expirySeconds) throw new Refusal('LeaseExpired')
  if (expirySeconds > timestampSeconds + longestLeaseSeconds) throw new Refusal('LeaseTooLong')
  const before = draft.lease.get(id)
  if (before.state === 'closed') throw new Refusal('LeaseAlreadyClosed')
  if (before.state === 'none') {
    if (totalMicroUsd === 0n) throw new Refusal('ZeroAmount')
  } else {
    if (timestampSeconds >= before.expirySeconds) throw new Refusal('LeaseExpired')
    const lowers = totalMicroUsd < before.totalMicroUsd || expirySeconds < before.expirySeconds
    const same = totalMicroUsd === before.totalMicroUsd && expirySeconds === before.expirySeconds
    if (lowers || same) throw new Refusal('LeaseNotRaised')
  }
  const added = totalMicroUsd - before.totalMicroUsd
  const deposit = draft.deposit.get(buyer)
  if (added > deposit.freeMicroUsd) throw new Refusal('InsufficientFree')
  draft.deposit.set(buyer, {
    ...deposit,
    freeMicroUsd: deposit.freeMicroUsd - added,
    reservedMicroUsd: deposit.reservedMicroUsd + added,
  })
  const { claimedMicroUsd } = before
  draft.lease.set(id, { state: 'open', totalMicroUsd, claimedMicroUsd, expirySeconds })
  const facts = { buyer, provider, nonce, totalMicroUsd, expirySeconds, terms }
  return [{ type: 'lease-opened', lease: id, ...facts }]
}

function claim(
  draft: Draft,
  { provider, claims }: Extract<Action, { type: 'claim' }>,
  context: Context,
): readonly LedgerEvent[] {
  if (claims.length === 0) throw new Refusal('EmptyBatch')
  return claims.flatMap((entry) => claimOne(draft, provider, entry, context))
}

/** A voucher that promises no more than was claimed before changes nothing. */
function claimOne(
  draft: Draft,
  provider: Hex.Address,
  { buyer, nonce, cumulativeMicroUsd, signature }: Claim,
  { domain, timestampSeconds }: Context,
): readonly LedgerEvent[] {
  const id = Lease.id({ buyer, provider, nonce })
  const lease = draft.lease.get(id)
  if (lease.state !== 'open') throw new Refusal('LeaseNotOpen')
  if (timestampSeconds >= lease.expirySeconds) throw new Refusal('LeaseExpired')
  if (cumulativeMicroUsd <= lease.claimedMicroUsd) return []
  if (cumulativeMicroUsd > lease.totalMicroUsd) throw new Refusal('ClaimOverTotal')
  const digest = Voucher.hash(domain, { lease: id, cumulativeMicroUsd })
  if (!Signature.verify(digest, signature, buyer)) throw new Refusal('InvalidSignature')
  const amountMicroUsd = cumulativeMicroUsd - lease.claimedMicroUsd
  const deposit = draft.deposit.get(buyer)
  const reservedMicroUsd = deposit.reservedMicroUsd - amountMicroUsd
  draft.deposit.set(buyer, { ...deposit, reservedMicroUsd })
  draft.lease.set(id, { ...lease, claimedMicroUsd: cumulativeMicroUsd })
  draft.earned.set(provider, draft.earned.get(provider) + amountMicroUsd)
  return [{ type: 'claimed', lease: id, buyer, provider, amountMicroUsd, cumulativeMicroUsd }]
}
