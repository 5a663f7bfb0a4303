import * as Exchange from '../protocol/Exchange.ts'
import type * as Hex from '../protocol/Hex.ts'
import * as Json from '../protocol/Json.ts'
import * as Voucher from '../protocol/Voucher.ts'
import type { Context } from './Context.ts'
import { saveReceipt, type ReceiptRow } from './Journal.ts'
import type { Held } from './LeaseBook.ts'
import * as Meter from './Meter.ts'
import { RefusedError } from './RefusedError.ts'

/**
 * Takes a voucher, and what it says about jobs, into the journal. Sending the same again changes nothing.
 *
 * @throws {RefusedError} when the voucher goes down, exceeds the lease's total, or comes too late.
 */
export async function answerPayment(
  context: Context,
  body: Uint8Array,
  buyer: Hex.Address,
): Promise<void> {
  const { book, chain, inTurn } = context
  const payment = Json.decode(Exchange.payment, body, { what: 'Payment' })
  const { voucher } = payment
  const held = book.of(buyer, voucher.message.lease)
  checkAmount(held, voucher.message.cumulativeMicroUsd)
  Voucher.verifyBy(chain.domain, voucher, buyer)
  await inTurn(`payment ${held.id}`, async () => await take(context, held, payment))
}

async function take(context: Context, held: Held, payment: Exchange.Payment): Promise<void> {
  const { book, clock } = context
  const { voucher } = payment
  const { cumulativeMicroUsd } = voucher.message
  const rows = await changedRows(context, held, payment)
  await book.change(held, () => {
    checkAmount(held, cumulativeMicroUsd)
    const events: readonly Meter.Event[] = [
      { type: 'pay', cumulativeMicroUsd },
      ...rows
        .filter(({ state }) => state === 'refused')
        .map(({ receipt }) => {
          const { priceMicroUsd } = receipt.message
          return { type: 'refuse', priceMicroUsd } as const
        }),
    ]
    const before = held.progress.meter
    const meter = events.reduce((m, event) => Meter.next(m, event, clock.now()) ?? m, before)
    const same = held.progress.voucher?.message.cumulativeMicroUsd === cumulativeMicroUsd
    if (same && rows.length === 0) return undefined
    return { meter, voucher, writes: rows.flatMap(saveReceipt), sync: 'soon' }
  })
  for (const { receipt } of rows) held.unpaid.delete(receipt.message.job)
  // The voucher is on the disk before the buyer hears that we have it; jobs of the lease go on meanwhile.
  await context.journal.write([])
}

/** Receipts whose state the payment changes. Jobs that are unknown here are passed over. */
async function changedRows(
  { journal }: Context,
  held: Held,
  { paid, refused }: Exchange.Payment,
): Promise<readonly ReceiptRow[]> {
  const rows = new Map<Hex.Hex, ReceiptRow>()
  for (const { job, reason } of refused) {
    const row = await journal.receipt(held.id, job)
    if (row?.state === 'delivered') rows.set(job, { ...row, state: 'refused', reason })
  }
  for (const job of paid) {
    const row = await journal.receipt(held.id, job)
    if (row && row.state !== 'paid') rows.set(job, { receipt: row.receipt, state: 'paid' })
  }
  return [...rows.values()]
}

function checkAmount(held: Held, cumulativeMicroUsd: bigint): void {
  const { meter } = held.progress
  const { totalMicroUsd } = held.deal.lease.message
  if (cumulativeMicroUsd < meter.paidMicroUsd)
    throw new RefusedError(
      'Provider.VoucherDownError',
      `The voucher promises ${cumulativeMicroUsd} micro-USD, less than the ${meter.paidMicroUsd} before.`,
    )
  if (cumulativeMicroUsd > totalMicroUsd)
    throw new RefusedError(
      'Provider.VoucherOverTotalError',
      `The voucher promises ${cumulativeMicroUsd} micro-USD; the lease reserves ${totalMicroUsd}.`,
    )
  const late = held.releasing || meter.state === 'settled'
  if (late && cumulativeMicroUsd > meter.paidMicroUsd)
    throw new RefusedError(
      'Provider.LeaseClosedError',
      'The lease is being released; a voucher can be claimed no more.',
    )
}
