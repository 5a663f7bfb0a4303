import * as Completion from '../../protocol/Completion.ts'
import type { Reason } from '../../protocol/Exchange.ts'
import type * as Hex from '../../protocol/Hex.ts'
import * as Json from '../../protocol/Json.ts'
import { joinSignals } from '../../runtime/Clock.ts'
import { codeOf, messageOf } from '../../runtime/Errors.ts'
import { InterruptedError, NoProviderError, type Buyer } from '../Buyer.ts'
import { createJob, runJob } from '../runJob.ts'
import type { Desk, Place } from './acquire.ts'
import type { Context } from './context.ts'
import { providerOf, tierOf, type Held } from './held.ts'
import { cancelled, type Jobs } from './jobs.ts'
import { close, pause, raise, type Probe } from './lifecycle.ts'

/** What a completion goes through. */
export type Parts = {
  readonly context: Context
  readonly desk: Desk
  readonly jobs: Jobs
  readonly probe: Probe
}

/** One completion: place after place until a provider has begun to answer, then its answer to the end. */
export async function* complete(
  parts: Parts,
  request: Completion.Request,
  options: Parameters<Buyer['complete']>[1] = {},
): ReturnType<Buyer['complete']> {
  const { context, desk } = parts
  const { settings, clock, background, journal } = context
  Json.parse(Completion.request, request, { what: 'completion request' })
  // What cannot be written down must not be bought.
  await journal.usable()
  const wanted = { model: request.model, tier: options.tier ?? settings.defaultTier }
  using ended = joinSignals(background.signal, options.signal)
  const { signal } = ended
  const deadline = clock.now() + settings.startTimeoutMs
  const tried = new Map<Hex.Address, Reason>()
  const need = { wanted, request, maxMicroUsd: options.maxMicroUsd, tried, deadline, signal }
  for (let attempt = 0; attempt < settings.attempts; attempt++) {
    signal.throwIfAborted()
    const place = await desk.acquire(need)
    const failure = yield* serve(parts, place, request, signal)
    if (!failure) return
    tried.set(providerOf(place.held), failure)
  }
  const refusals = [...tried].map(([provider, reason]) => ({ provider, reasons: [reason] }))
  throw new NoProviderError({ ...wanted, refusals })
}

/** Runs a request at one place; returns why the provider failed when nothing of it was passed on yet. */
async function* serve(
  parts: Parts,
  place: Place,
  request: Completion.Request,
  signal: AbortSignal,
): AsyncGenerator<YieldOf<ReturnType<Buyer['complete']>>, Reason | undefined, undefined> {
  const { context, jobs } = parts
  const { held } = place
  const { model, weights, quantisation } = held.bid.message
  const job = createJob(context, held, request)
  const start = {
    type: 'completion-start',
    job: job.id,
    lease: held.id,
    provider: providerOf(held),
    model,
    weights,
    quantisation,
    tier: tierOf(held),
  } as const
  let begun = false
  let ended = false
  jobs.start(held, job.id, request.model)
  try {
    for await (const event of runJob(context, held, job, request, { signal })) {
      if (event.type === 'job-end') {
        ended = true
        place.release()
        const row = await jobs.deliver(held, job.id, event)
        if (!begun) yield start
        const { finishReason, usage, receipt, receiptId, claim } = event
        const { priceMicroUsd, assurance } = row
        yield {
          type: 'completion-end',
          finishReason,
          usage,
          priceMicroUsd,
          receiptId,
          receipt,
          claim,
          assurance,
        }
        return undefined
      }
      if (!begun) yield start
      begun = true
      yield { type: 'completion-delta', delta: event.delta }
    }
  } catch (error) {
    if (ended || signal.aborted) throw error
    ended = true
    const reason = { code: codeOf(error), message: messageOf(error).slice(0, 1000) }
    jobs.fail(held, job.id, reason)
    react(parts, held, reason)
    if (aboutRequest.has(reason.code)) throw error
    if (begun) throw new InterruptedError({ job: job.id, provider: providerOf(held), reason })
    return reason
  } finally {
    place.release()
    // Also reached when the caller stops reading.
    if (!ended) jobs.fail(held, job.id, cancelled)
  }
  return undefined
}

/** The request itself is at fault: every provider of the model would say the same. */
const aboutRequest = new Set(['Engine.UnsupportedError', 'Engine.ContextLengthError'])

type YieldOf<generator> = generator extends AsyncGenerator<infer value> ? value : never

/** What a failed job means for its lease. */
function react({ context, probe }: Parts, held: Held, reason: Reason): void {
  const { providers, clock, payments, settings } = context
  switch (reason.code) {
    case 'Provider.BusyError':
      held.restUntil = clock.now() + 200
      providers.record(providerOf(held), 'refused')
      return
    case 'Provider.CreditError':
      // Either our payment has not arrived yet, or it refuses what we refused to pay: then we part.
      held.restUntil = clock.now() + 500
      if (held.paying || held.heldMicroUsd > 0n || held.inFlight > 0) return payments.resend(held)
      return close(context, held, reason)
    case 'Provider.BudgetError':
      return raise(context, held, settings.leaseBudgetMicroUsd)
    case 'Provider.LeaseClosedError':
    case 'Provider.ModelChangedError':
    case 'Provider.TermsError':
      return close(context, held, reason)
    case 'Provider.ExpiredError':
    case 'Provider.JobError':
    case 'Provider.ReplayError':
    case 'Engine.UnsupportedError':
    case 'Engine.ContextLengthError':
      providers.record(providerOf(held), 'refused')
      return
    default:
      providers.record(providerOf(held), 'failed')
      pause(context, held, reason, probe)
  }
}
