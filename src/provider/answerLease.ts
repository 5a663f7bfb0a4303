import { RevertedError } from '../chain/Chain.ts'
import type { LeaseReply } from '../protocol/Exchange.ts'
import * as Hex from '../protocol/Hex.ts'
import * as Lease from '../protocol/Lease.ts'
import type { Signed } from '../protocol/SignedMessage.ts'
import type { BidEntry } from './answerOrder.ts'
import type { Context } from './Context.ts'
import type { Held } from './LeaseBook.ts'
import { RefusedError } from './RefusedError.ts'

/**
 * Brings a buyer's signed lease to the chain and answers when it is there. The same lease may be sent
 * again; one with the same nonce and a higher total or a later expiry raises it.
 *
 * @throws {RefusedError} when it does not fit the bid it names.
 * @throws {RevertedError} when the chain refuses it, for instance for want of funds.
 * @throws {UnavailableError} when the chain cannot be reached; send the same lease again.
 */
export async function answerLease(
  context: Context,
  body: Uint8Array,
  { buyer, signal }: { buyer: Hex.Address; signal: AbortSignal },
): Promise<LeaseReply> {
  const { chain, identity, inTurn, book } = context
  const signed = Lease.deserialize(body)
  const lease = Lease.verify(chain.domain, signed)
  if (lease.buyer !== buyer || lease.provider !== identity.address)
    throw new RefusedError('Provider.ForbiddenError', 'The lease is between other parties.')
  const id = Lease.id(lease)
  return await inTurn(`lease ${id}`, async () => {
    const held = book.find(id)
    if (!held) return await open(context, signed, signal)
    checkRaise(held, lease)
    const { transaction } = held.progress
    const same = held.deal.lease.signature === signed.signature
    if (same && transaction && !held.unsecured) return { lease: id, transaction }
    return await confirm(context, held, { lease: signed, signal })
  })
}

/** Journals the lease before the chain hears of it, so that no reservation is ever forgotten. */
async function open(
  context: Context,
  lease: Signed<Lease.Lease>,
  signal: AbortSignal,
): Promise<LeaseReply> {
  const { book, settings } = context
  const entry = checkTerms(context, lease.message)
  if (book.size >= settings.maxLeases)
    throw new RefusedError('Provider.BusyError', `All ${settings.maxLeases} leases are taken.`)
  const held = await book.add({ lease, ...entry })
  try {
    return await confirm(context, held, { lease, signal })
  } catch (error) {
    if (error instanceof RevertedError) await book.forget(held)
    throw error
  }
}

/** Also when the lease was raised, or signed anew because the chain has lost it. */
async function confirm(
  context: Context,
  held: Held,
  { lease, signal }: { lease: Signed<Lease.Lease>; signal: AbortSignal },
): Promise<LeaseReply> {
  const isNew = !held.progress.transaction
  const brought = await bring(context, lease, signal)
  const transaction = brought === Hex.zero ? (held.progress.transaction ?? Hex.zero) : brought
  await context.book.change(held, () => ({ lease, transaction }))
  held.unsecured = false
  if (isNew) noteOpen(context, held)
  return { lease: held.id, transaction }
}

/** Sends a lease to the chain unless it is there. Returns the transaction, or zero when it was not ours. */
export async function bring(
  { chain }: Pick<Context, 'chain'>,
  { message: lease, signature }: Signed<Lease.Lease>,
  signal: AbortSignal,
): Promise<Hex.Hex> {
  const before = await chain.lease(lease)
  if (before.state === 'closed')
    throw new RefusedError('Provider.LeaseClosedError', 'The lease is closed on the chain.')
  if (covers(before, lease)) return Hex.zero
  try {
    return (await chain.send({ type: 'open-lease', lease, signature }, { signal })).transaction
  } catch (error) {
    // An earlier transaction of ours may have come into a block in the meantime.
    if (error instanceof RevertedError && covers(await chain.lease(lease), lease)) return Hex.zero
    throw error
  }
}

export function noteOpen({ outbox, chain }: Pick<Context, 'outbox' | 'chain'>, held: Held): void {
  const { bid, lease } = held.deal
  const detail = `${lease.message.totalMicroUsd} micro-USD reserved on chain ${chain.domain.chainId}`
  const parent = bid.message.order
  outbox.note({ subject: 'lease', id: held.id, code: 'lease-open', detail, parent })
}

function covers(
  state: { readonly state: string; readonly totalMicroUsd: bigint; readonly expirySeconds: number },
  lease: Lease.Lease,
): boolean {
  return (
    state.state === 'open' &&
    state.totalMicroUsd >= lease.totalMicroUsd &&
    state.expirySeconds >= lease.expirySeconds
  )
}

function checkRaise({ deal }: Held, lease: Lease.Lease): void {
  const { terms, totalMicroUsd, expirySeconds } = deal.lease.message
  const lowers = lease.totalMicroUsd < totalMicroUsd || lease.expirySeconds < expirySeconds
  if (lowers || lease.terms !== terms)
    throw new RefusedError(
      'Provider.TermsError',
      'A lease with this nonce is held already; another one may only raise its total or expiry.',
    )
}

function checkTerms({ bids, clock, settings }: Context, lease: Lease.Lease): BidEntry {
  const now = clock.now()
  const entry = bids.find(lease.terms)
  if (!entry || entry.order.message.buyer !== lease.buyer)
    throw new RefusedError(
      'Provider.UnknownBidError',
      'The lease names no bid of ours; send the order again.',
    )
  const { order, bid } = entry
  if (bid.message.expiresAt < now)
    throw new RefusedError('Provider.ExpiredError', 'The bid has expired; send the order again.')
  const { budgetMicroUsd, durationMs } = order.message
  if (lease.totalMicroUsd > budgetMicroUsd || lease.totalMicroUsd < settings.minBudgetMicroUsd)
    throw new RefusedError(
      'Provider.TermsError',
      `The lease reserves ${lease.totalMicroUsd} micro-USD; the order said up to ${budgetMicroUsd}.`,
    )
  const remainingMs = lease.expirySeconds * 1000 - now
  if (remainingMs <= settings.expiryMarginMs || remainingMs > 2 * durationMs + 3_600_000)
    throw new RefusedError(
      'Provider.TermsError',
      `The lease expires in ${remainingMs} ms; the order said ${durationMs} ms.`,
    )
  return entry
}
