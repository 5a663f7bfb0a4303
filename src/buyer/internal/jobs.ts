import type { Reason } from '../../protocol/Exchange.ts'
import * as Completion from '../../protocol/Completion.ts'
import * as Hex from '../../protocol/Hex.ts'
import type * as Verdict from '../../protocol/Verdict.ts'
import { joinSignals } from '../../runtime/Clock.ts'
import type { JobEvent } from '../runJob.ts'
import { createBell, type Bell } from './bell.ts'
import type { Context } from './context.ts'
import { expiresAtMs, providerOf, tierOf, type Held } from './held.ts'
import { close } from './lifecycle.ts'
import type { JobRow } from './rows.ts'
import type { Verdicts } from './verdicts.ts'

/** The buyer's jobs from their start to their last state, and what is decided about each. */
export type Jobs = {
  start(held: Held, id: Hex.Hex, model: string): void
  /** The receipt is right: it is in the journal when this resolves, and paid or refunded later. */
  deliver(held: Held, id: Hex.Hex, end: JobEvent & { type: 'job-end' }): Promise<JobRow>
  /** The job ends without a delivery; nothing is charged. */
  fail(held: Held, id: Hex.Hex, reason: Reason): void
  /** Takes up what the last life left open. */
  resume(): Promise<void>
  hear(verdict: Verdict.Verdict): void
  get(id: Hex.Hex): Promise<JobRow | undefined>
  newest(limit: number): Promise<readonly JobRow[]>
  /** Resolves when the job has come to its last state. */
  settled(id: Hex.Hex, signal?: AbortSignal): Promise<JobRow | undefined>
}

type Active = { row: JobRow; readonly bell: Bell }

/** Codes that a caller's own going away gives. */
export const cancelled: Reason = {
  code: 'Buyer.CancelledError',
  message: 'The caller went away before the end.',
}

/** One reason for all, because an error with its stack for every wait would be waste. */
const decided = new DOMException('The job is decided.', 'AbortError')

/** Creates the keeper of jobs. */
export function createJobs(context: Context, verdicts: Verdicts): Jobs {
  const { journal, clock, timeline, providers, payments, settings, background } = context
  const active = new Map<Hex.Hex, Active>()

  /** The last word on a job. */
  function finish(row: JobRow): void {
    const entry = active.get(row.job)
    active.delete(row.job)
    if (entry) entry.row = row
    entry?.bell.ring()
    context.bell.ring()
  }

  async function decide(held: Held, entry: Active): Promise<void> {
    const until = (entry.row.deliveredAt ?? 0) + settings.verdictTimeoutMs
    if (tierOf(held) !== 'unverified') await heard(entry, until)
    const { row } = entry
    const verdict = verdicts.of(row.receiptId)
    const refusal = refusalOf(held, verdict)
    if (refusal) return refund(held, row, refusal)
    const assurance = assuranceOf(row, verdict)
    if (verdict?.outcome === 'valid') providers.record(row.provider, 'verified')
    const paid: JobRow = { ...row, state: 'paid', assurance }
    await payments.pay(held, paid)
    finish(paid)
  }

  /** Waits for a verdict that decides, the provider's exclusion, or the end of the waiting time. */
  async function heard(entry: Active, until: number): Promise<void> {
    const { receiptId, provider } = entry.row
    const controller = new AbortController()
    const signal = AbortSignal.any([background.signal, controller.signal])
    const late = clock.sleep(Math.max(0, until - clock.now()), { signal })
    late.catch(() => {})
    try {
      while (clock.now() < until) {
        const outcome = verdicts.of(receiptId)?.outcome
        if (outcome === 'valid' || outcome === 'invalid' || providers.excluded(provider)) return
        await Promise.race([late, entry.bell.next(signal)])
      }
    } finally {
      controller.abort(decided)
    }
  }

  function refusalOf(held: Held, verdict: Verdict.Verdict | undefined): Reason | undefined {
    if (verdict?.outcome === 'invalid')
      return { code: verdict.reason || 'Verdict.Invalid', message: 'A validator found it wrong.' }
    const excluded = providers.excluded(providerOf(held))
    if (excluded)
      return { code: 'Buyer.ProviderExcluded', message: `Excluded for ${excluded.code}.` }
    if (verdict?.outcome === 'unavailable')
      return { code: verdict.reason || 'Verdict.Unavailable', message: 'It could not be checked.' }
    if (held.state === 'settled' || clock.now() >= expiresAtMs(held))
      return { code: 'Buyer.LeaseEnded', message: 'The lease ended before the job was decided.' }
    return undefined
  }

  function refund(held: Held, row: JobRow, reason: Reason): void {
    held.heldMicroUsd -= row.priceMicroUsd
    if (reason.code !== 'Buyer.LeaseEnded') providers.record(row.provider, 'unavailable')
    const assurance = { ...row.assurance, state: 'challenged' as const }
    const priceMicroUsd = 0n
    const final: JobRow = {
      ...row,
      state: 'refunded',
      reason: reason.code,
      priceMicroUsd,
      assurance,
    }
    journal.later({ job: final })
    note(row, 'payment', 'payment-withheld', reason)
    note(row, 'job', 'job-refunded', reason)
    payments.refuse(held, row.job, reason)
    finish(final)
  }

  function note(
    row: JobRow,
    subject: 'job' | 'payment',
    code: Parameters<typeof timeline.note>[0]['code'],
    reason?: Reason,
  ): void {
    const detail = reason ? `${reason.code}: ${reason.message}` : undefined
    timeline.note({ subject, id: row.job, code, detail, parent: row.lease })
  }

  function watch(held: Held, row: JobRow): void {
    const entry = active.get(row.job) ?? { row, bell: createBell() }
    entry.row = row
    active.set(row.job, entry)
    background.run('decide', () => decide(held, entry))
  }

  function fail(row: JobRow, held: Held | undefined, reason: Reason): void {
    const final: JobRow = { ...row, state: 'failed', reason: reason.code, priceMicroUsd: 0n }
    journal.later({ job: final })
    note(row, 'job', reason.code === cancelled.code ? 'job-cancelled' : 'job-failed', reason)
    if (held && held.state !== 'settled') payments.refuse(held, row.job, reason)
    finish(final)
  }

  /** A verdict that comes after the decision changes what is known, not what is paid. */
  async function amend(verdict: Verdict.Verdict): Promise<void> {
    const row = await journal.job(verdict.job)
    if (row?.state !== 'paid' || row.receiptId !== verdict.receipt) return
    journal.later({ job: { ...row, assurance: assuranceOf(row, verdict) } })
  }

  return {
    start(held, id, model) {
      const row: JobRow = {
        job: id,
        lease: held.id,
        provider: providerOf(held),
        model,
        state: 'running',
        assurance: { tier: tierOf(held), state: 'pending' },
        usage: { inputTokens: 0, outputTokens: 0 },
        priceMicroUsd: 0n,
        receiptId: Hex.zero,
        createdAt: clock.now(),
      }
      active.set(id, { row, bell: createBell() })
      journal.later({ job: row })
      note(row, 'job', 'job-start')
    },
    async deliver(held, id, { usage, receipt, receiptId, claim }) {
      const free = receipt.message.priceMicroUsd === 0n
      const priceMicroUsd = free ? 0n : Completion.priceMicroUsd(usage, held.prices)
      const row: JobRow = {
        ...active.get(id)!.row,
        state: 'delivered',
        usage,
        priceMicroUsd,
        receiptId,
        receipt,
        claim,
        deliveredAt: clock.now(),
      }
      held.heldMicroUsd += priceMicroUsd
      providers.record(row.provider, 'delivered')
      providers.served(row.provider)
      note(row, 'job', 'job-delivered')
      watch(held, row)
      // A disk that does not take it now is asked again by whatever is written next.
      await journal.keep({ job: row }).catch(() => {})
      return row
    },
    fail(held, id, reason) {
      const entry = active.get(id)
      if (entry?.row.state === 'running') fail(entry.row, held, reason)
    },
    async resume() {
      for (const row of await journal.pendingJobs()) {
        const held = context.leases.get(row.lease)
        if (row.state === 'delivered' && held) {
          held.heldMicroUsd += row.priceMicroUsd
          watch(held, row)
        } else
          fail(row, held, {
            code: 'Buyer.RestartedError',
            message: 'The buyer was restarted before the job was delivered.',
          })
      }
    },
    hear(verdict) {
      const { job, provider, outcome, reason } = verdict
      active.get(job)?.bell.ring()
      if (!active.has(job)) background.run('amend', () => amend(verdict))
      if (outcome !== 'invalid' || providers.excluded(provider)) return
      const why = { code: reason || 'Verdict.Invalid', message: `Wrong in job ${job}.` }
      providers.record(provider, 'invalid')
      background.run('exclude', () => providers.exclude(provider, why))
      for (const held of context.leases.values())
        if (providerOf(held) === provider) close(context, held, why)
      for (const entry of active.values()) if (entry.row.provider === provider) entry.bell.ring()
    },
    get: async (id) => active.get(id)?.row ?? (await journal.job(id)),
    async newest(limit) {
      await journal.flush()
      const rows = await journal.jobs(limit)
      return rows.map((row) => active.get(row.job)?.row ?? row)
    },
    async settled(id, signal) {
      const entry = active.get(id)
      if (!entry) {
        await journal.flush()
        return await journal.job(id)
      }
      using ended = joinSignals(background.signal, signal)
      while (active.get(id) === entry) await entry.bell.next(ended.signal)
      return entry.row
    },
  }
}

function assuranceOf(row: JobRow, verdict: Verdict.Verdict | undefined): JobRow['assurance'] {
  const { tier } = row.assurance
  if (verdict?.outcome === 'valid') return { tier, state: 'verified', method: verdict.method }
  if (verdict?.outcome === 'invalid') return { tier, state: 'challenged', method: verdict.method }
  // Of exact work the chain has the last word: until the window is over somebody may challenge it.
  return { tier, state: row.claim ? 'pending' : 'final' }
}
