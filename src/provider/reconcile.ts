import { RevertedError, type Head, type LeaseState } from '../chain/Chain.ts'
import * as Hex from '../protocol/Hex.ts'
import { codeOf, messageOf } from '../runtime/Errors.ts'
import { bring, noteOpen } from './answerLease.ts'
import { move } from './answerNotices.ts'
import type { Context } from './Context.ts'
import { saveDebt } from './Journal.ts'
import type { Held } from './LeaseBook.ts'
import * as Meter from './Meter.ts'
import { RefusedError } from './RefusedError.ts'

/**
 * Compares the journal with the chain: brings back what a rollback took, notes claims, closes leases
 * that are over, and settles those that the chain has closed for good. Nothing is torn down for any
 * other reason.
 *
 * @throws {UnavailableError} while the chain cannot be reached; then nothing is changed.
 */
export async function reconcile(context: Context): Promise<void> {
  const { book, chain, signal, logger } = context
  const head = await chain.head()
  for (const held of book.all()) {
    if (signal.aborted) return
    try {
      await compare(context, held, head)
    } catch (error) {
      if (!(error instanceof RevertedError || error instanceof RefusedError)) throw error
      const facts = { lease: held.id, code: codeOf(error), reason: messageOf(error) }
      logger.warn(facts, 'A lease could not be reconciled.')
    }
  }
}

async function compare(context: Context, held: Held, head: Head): Promise<void> {
  const state = await context.chain.lease(held.key)
  switch (state.state) {
    case 'none':
      return await restore(context, held, head)
    case 'open':
      return await tend(context, held, { state, head })
    case 'closed':
      return await wind(context, held, { state, head })
  }
}

/** The chain does not have the lease: it was rolled back, or never came there. */
async function restore(context: Context, held: Held, head: Head): Promise<void> {
  const { book, outbox } = context
  const { expirySeconds, deadlineSeconds } = held.deal.lease.message
  const over = head.timestampSeconds >= expirySeconds
  held.closedAtBlock = undefined
  if (!held.progress.transaction) {
    // The buyer sends it again if it still wants it; after the deadline the contract takes it no more.
    if (over || head.timestampSeconds > deadlineSeconds) await book.forget(held)
    return
  }
  if (over) return await settle(context, held)
  const transaction = await secure(context, held)
  await book.change(held, () => ({ transaction, claimedMicroUsd: 0n }))
  const detail = 'brought back after a rollback'
  const parent = held.bid.order
  outbox.note({ subject: 'lease', id: held.id, code: 'lease-open', detail, parent })
}

async function tend(
  context: Context,
  held: Held,
  { state, head }: { state: LeaseState; head: Head },
): Promise<void> {
  const { book, clock, settings } = context
  held.closedAtBlock = undefined
  if (!held.progress.transaction) {
    await book.change(held, () => ({ transaction: Hex.zero }))
    noteOpen(context, held)
  }
  await noteClaims(context, held, state)
  const { meter } = held.progress
  const expired = head.timestampSeconds >= held.deal.lease.message.expirySeconds
  const idle =
    (meter.state === 'open' || meter.state === 'paused') &&
    clock.now() - meter.since >= settings.readyTimeoutMs
  if (expired) await move(context, held, 'close', 'expired')
  else if (idle) await move(context, held, 'close', `not ready for ${settings.readyTimeoutMs} ms`)
  else await raiseAgain(context, held, state)
}

/** A rollback may have taken a raise and left the lease. */
async function raiseAgain(context: Context, held: Held, state: LeaseState): Promise<void> {
  const { totalMicroUsd, expirySeconds } = held.deal.lease.message
  if (state.totalMicroUsd < totalMicroUsd || state.expirySeconds < expirySeconds)
    await secure(context, held)
  else held.unsecured = false
}

/** What the chain refuses to take back needs a new signature of the buyer; until then nothing is served. */
async function secure({ chain, signal }: Context, held: Held): Promise<Hex.Hex> {
  try {
    const transaction = await bring({ chain }, held.deal.lease, signal)
    held.unsecured = false
    return transaction
  } catch (error) {
    if (error instanceof RevertedError) held.unsecured = true
    throw error
  }
}

/** The chain says closed. Believed some blocks later, because blocks can be taken back. */
async function wind(
  context: Context,
  held: Held,
  { state, head }: { state: LeaseState; head: Head },
): Promise<void> {
  await noteClaims(context, held, state)
  await move(context, held, 'close', 'closed on the chain')
  held.closedAtBlock ??= head.number
  if (head.number < held.closedAtBlock) held.closedAtBlock = head.number
  if (head.number - held.closedAtBlock >= BigInt(context.settings.confirmations))
    await settle(context, held)
}

async function noteClaims(context: Context, held: Held, state: LeaseState): Promise<void> {
  const { book, outbox } = context
  const { claimedMicroUsd } = state
  const before = held.progress.claimedMicroUsd
  if (claimedMicroUsd === before) return
  await book.change(held, () => ({ claimedMicroUsd }))
  if (claimedMicroUsd < before) return
  const detail = `${claimedMicroUsd - before} micro-USD`
  outbox.note({
    subject: 'payment',
    id: held.id,
    code: 'payment-claimed',
    detail,
    parent: held.id,
  })
}

/** The lease is over for good. What was left unpaid is remembered against its buyer. */
async function settle(context: Context, held: Held): Promise<void> {
  const { book, journal, clock, outbox, logger } = context
  const { meter, claimedMicroUsd } = held.progress
  const { buyer } = held.key
  const lost = meter.paidMicroUsd - claimedMicroUsd
  if (lost > 0n)
    logger.error(
      { lease: held.id, lostMicroUsd: lost },
      'A lease ended before its voucher was claimed.',
    )
  const unpaid = Meter.unpaidMicroUsd(meter)
  const debt = unpaid > 0n ? (await journal.debtMicroUsd(buyer)) + unpaid : 0n
  await book.settle(held, debt > 0n ? [saveDebt(buyer, debt, clock.now())] : [])
  const parent = held.bid.order
  const detail = `${claimedMicroUsd} micro-USD paid`
  outbox.note({ subject: 'lease', id: held.id, code: 'lease-settled', detail, parent })
}
