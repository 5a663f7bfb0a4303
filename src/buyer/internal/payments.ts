import { ask } from '../../network/Network.ts'
import * as Exchange from '../../protocol/Exchange.ts'
import type * as Hex from '../../protocol/Hex.ts'
import * as Json from '../../protocol/Json.ts'
import * as Voucher from '../../protocol/Voucher.ts'
import { BaseError, codeOf, messageOf } from '../../runtime/Errors.ts'
import type { Context } from './context.ts'
import { expiresAtMs, providerOf, rowOf, signedMicroUsd, type Held } from './held.ts'
import type { JobRow } from './rows.ts'

/** Signs vouchers, and tells providers what is paid and what is not. */
export type Payments = {
  /** Pays a delivered job: resolves when the voucher is in the journal. The provider hears of it after that. */
  pay(held: Held, job: JobRow): Promise<void>
  /** Says that a job will not be paid. */
  refuse(held: Held, job: Hex.Hex, reason: Exchange.Reason): void
  /** Sends the highest voucher again: after a restart of either side, or when the provider asks. */
  resend(held: Held): void
}

/** How long answers gather before they are paid together: nobody waits for it. */
const gatherMs = 20

/** Entries of one `Payment`; the rest comes with the next. */
const entriesLimit = 1_000

const retryMs = { first: 500, most: 15_000 }

/** Creates the one place where vouchers are signed. */
export function createPayments(context: Context): Payments {
  const { journal, background, clock, timeline } = context

  /** A voucher that is not on disk is not sent, so this tries until it is. */
  async function save(rows: () => Parameters<typeof journal.save>[0]): Promise<void> {
    for (let waitMs = retryMs.first; ; waitMs = Math.min(waitMs * 2, retryMs.most)) {
      try {
        return await journal.save(rows())
      } catch (error) {
        context.logger.error(
          { reason: messageOf(error) },
          'A voucher could not be written; it waits.',
        )
        await clock.sleep(waitMs, { signal: background.signal })
      }
    }
  }

  function send(held: Held): void {
    if (held.paying) return
    held.paying = true
    background.run('payment', async () => {
      try {
        await sendUntilAcknowledged(context, held)
      } finally {
        held.paying = false
      }
    })
  }

  const gathering = new Map<Hex.Hex, { readonly jobs: JobRow[]; readonly paid: Promise<void> }>()

  /** One voucher, one signature and one synchronised write for all jobs that gathered. */
  async function payTogether(held: Held, jobs: readonly JobRow[]): Promise<void> {
    try {
      await clock.sleep(gatherMs, { signal: background.signal })
    } finally {
      gathering.delete(held.id)
    }
    const priceMicroUsd = jobs.reduce((sum, job) => sum + job.priceMicroUsd, 0n)
    sign(context, held, signedMicroUsd(held) + priceMicroUsd)
    held.heldMicroUsd -= priceMicroUsd
    held.unsent = limited({
      ...held.unsent,
      paid: [...held.unsent.paid, ...jobs.map(({ job }) => job)],
    })
    for (const job of jobs) journal.later({ job })
    await save(() => ({ lease: rowOf(held) }))
    for (const { job, priceMicroUsd: price } of jobs)
      timeline.note({
        subject: 'payment',
        id: job,
        code: 'payment-signed',
        detail: `${price} micro-USD`,
        parent: held.id,
      })
    send(held)
  }

  return {
    async pay(held, job) {
      const open = gathering.get(held.id)
      if (open) {
        open.jobs.push(job)
        return await open.paid
      }
      const jobs = [job]
      const paid = payTogether(held, jobs)
      gathering.set(held.id, { jobs, paid })
      await paid
    },
    refuse(held, job, reason) {
      const refused = [...held.unsent.refused, { job, reason: short(reason) }]
      held.unsent = limited({ ...held.unsent, refused })
      journal.later({ lease: rowOf(held) })
      send(held)
    },
    resend: send,
  }
}

/** The only line that signs money away: never down, never above what the lease reserves. */
function sign({ chain, identity }: Context, held: Held, cumulativeMicroUsd: bigint): void {
  const before = signedMicroUsd(held)
  const total = held.lease.message.totalMicroUsd
  if (cumulativeMicroUsd < before || cumulativeMicroUsd > total)
    throw new VoucherError({ before, after: cumulativeMicroUsd, total })
  const voucher = { lease: held.id, cumulativeMicroUsd }
  held.voucher = Voucher.sign(chain.domain, voucher, identity)
}

async function sendUntilAcknowledged(context: Context, held: Held): Promise<void> {
  const { network, clock, background, journal, chain, identity } = context
  let waitMs = retryMs.first
  while (clock.now() < expiresAtMs(held) && held.state !== 'settled') {
    const { voucher, unsent } = held
    const { message } = voucher ?? { message: { lease: held.id, cumulativeMicroUsd: 0n } }
    const paid = unsent.paid.slice(0, entriesLimit)
    const refused = unsent.refused.slice(0, entriesLimit)
    try {
      // What is signed may run ahead of what is on disk; only what is on disk goes out.
      await journal.save({})
      const signed = voucher ?? Voucher.sign(chain.domain, message, identity)
      const body = Json.toBytes({ voucher: signed, paid, refused } satisfies Exchange.Payment)
      await ask(network, held.peerId, Exchange.protocols.payment, body, {
        idleTimeoutMs: 10_000,
        signal: background.signal,
      })
      held.unsent = {
        paid: held.unsent.paid.filter((job) => !paid.includes(job)),
        refused: held.unsent.refused.filter((entry) => !refused.includes(entry)),
      }
      journal.later({ lease: rowOf(held) })
      context.bell.ring()
      if (held.voucher === voucher && held.unsent.paid.length + held.unsent.refused.length === 0)
        return
      waitMs = retryMs.first
    } catch (error) {
      background.signal.throwIfAborted()
      context.logger.debug(
        { lease: held.id, provider: providerOf(held), code: codeOf(error) },
        'A payment was not taken; it is sent again.',
      )
      await clock.sleep(waitMs, { signal: background.signal })
      waitMs = Math.min(waitMs * 2, retryMs.most)
    }
  }
}

/** Old entries are only news; what counts is the cumulative voucher. */
function limited(unsent: Held['unsent']): Held['unsent'] {
  return {
    paid: unsent.paid.slice(-4 * entriesLimit),
    refused: unsent.refused.slice(-4 * entriesLimit),
  }
}

function short({ code, message }: Exchange.Reason): Exchange.Reason {
  return { code: code.slice(0, 200), message: message.slice(0, 500) }
}

/** Thrown when a voucher would go down or above the lease: a fault of this program, stopped before it costs. */
export class VoucherError extends BaseError {
  override readonly code = 'Buyer.VoucherError'

  constructor({ before, after, total }: { before: bigint; after: bigint; total: bigint }) {
    super('A voucher would go down, or above what the lease reserves.', {
      metaMessages: [`Signed: ${before}`, `Asked for: ${after}`, `Lease: ${total}`],
    })
  }
}
