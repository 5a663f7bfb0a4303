import * as Completion from '../protocol/Completion.ts'
import * as Exchange from '../protocol/Exchange.ts'
import type * as Hex from '../protocol/Hex.ts'
import * as Job from '../protocol/Job.ts'
import * as Json from '../protocol/Json.ts'
import type { Signed } from '../protocol/SignedMessage.ts'
import type { Context } from './Context.ts'
import type { Held } from './LeaseBook.ts'
import * as Meter from './Meter.ts'
import { RefusedError } from './RefusedError.ts'
import { inputTokensLimit } from './runEngine.ts'

/** A job that has been found to be what it says, before it is known whether it may run. */
export type Checked = {
  readonly id: Hex.Hex
  readonly held: Held
  readonly job: Signed<Job.Job>
  readonly request: Completion.Request
}

/** A job that holds a place. */
export type Admitted = Checked & {
  readonly metered: boolean
  /** When the lease became ready; zero for a probe. */
  readonly readyAt: number
  /** Gives the place back; more than once does nothing. */
  readonly release: () => void
}

/**
 * Parses a job and checks who signed it, for whom, in which lease, and when.
 *
 * @throws {Json.MalformedError} | {SignatureError} | {RefusedError}
 */
export function checkJob(context: Context, body: Uint8Array, buyer: Hex.Address): Checked {
  const { chain, identity, book, clock } = context
  const { job, request } = Json.decode(Exchange.jobRequest, body, { what: 'JobRequest' })
  const { message } = job
  if (message.buyer !== buyer || message.provider !== identity.address)
    throw new RefusedError('Provider.ForbiddenError', 'The job is between other parties.')
  const held = book.of(buyer, message.lease)
  Job.verify(chain.domain, job)
  const now = clock.now()
  if (message.expiresAt <= now || message.createdAt > now + clockSkewMs)
    throw new RefusedError(
      'Provider.ExpiredError',
      `The job is valid from ${message.createdAt} to ${message.expiresAt} ms; it is ${now} ms here.`,
    )
  if (message.request !== Completion.hashRequest(request))
    throw new RefusedError('Provider.JobError', 'The request does not have the hash in the job.')
  if (request.model !== held.bid.model)
    throw new RefusedError(
      'Provider.JobError',
      `The lease is for model ${held.bid.model}; the job asks for ${request.model}.`,
    )
  return { id: Job.hash(chain.domain, message), held, job, request }
}

/** How far ahead of ours a buyer's clock may be. */
const clockSkewMs = 30_000

/**
 * Gives a job a place, or says why it gets none.
 *
 * @throws {RefusedError}
 */
export function admitJob(context: Context, checked: Checked): Admitted {
  const { clock, settings, places } = context
  const { id, held, job, request } = checked
  const { bid, progress, running } = held
  const now = clock.now()
  if (held.tried.has(id))
    throw new RefusedError('Provider.ReplayError', `Job ${id} was sent before; send a new one.`)
  checkLease(context, held, now)
  checkModel(context, held)
  const worstMicroUsd = Completion.priceMicroUsd(
    { inputTokens: inputTokensLimit(request), outputTokens: request.maxTokens },
    bid,
  )
  // Probes count when they end; those that run now count too.
  const free = [...running.values()].filter((amount) => amount === 0n).length
  const meter = { ...progress.meter, probes: progress.meter.probes + free }
  const admission = Meter.admit(meter, {
    maxTokens: request.maxTokens,
    totalMicroUsd: held.deal.lease.message.totalMicroUsd,
    creditMicroUsd: bid.creditMicroUsd,
    reservedMicroUsd: [...running.values()].reduce((sum, amount) => sum + amount, 0n),
    worstMicroUsd,
  })
  if (admission.type === 'refused') throw new RefusedError(admission.code, admission.message)
  if (running.size >= bid.concurrency || places.taken >= settings.concurrency)
    throw new RefusedError('Provider.BusyError', 'All places for jobs are taken.')

  const metered = admission.type === 'metered'
  running.set(id, metered ? worstMicroUsd : 0n)
  remember(held, id, job.message.expiresAt, now)
  places.taken++
  let holds = true
  const release = () => {
    if (!holds) return
    holds = false
    places.taken--
    running.delete(id)
  }
  return { ...checked, metered, readyAt: metered ? progress.meter.readyAt : 0, release }
}

function checkLease({ settings }: Context, held: Held, now: number): void {
  const { expirySeconds } = held.deal.lease.message
  if (!held.progress.transaction)
    throw new RefusedError('Provider.LeaseNotOpenError', 'The lease is not on the chain yet.')
  if (held.unsecured)
    throw new RefusedError(
      'Provider.UnsecuredError',
      'The chain has lost the lease and does not take it back; open another one.',
    )
  if (now >= expirySeconds * 1000 - settings.expiryMarginMs)
    throw new RefusedError('Provider.LeaseClosedError', 'The lease is about to expire.')
}

function checkModel({ engine }: Context, { bid }: Held): void {
  const same = engine.models.some(
    ({ id, weights, quantisation, build }) =>
      id === bid.model &&
      weights === bid.weights &&
      quantisation === bid.quantisation &&
      build === bid.engine,
  )
  if (!same)
    throw new RefusedError(
      'Provider.ModelChangedError',
      `${bid.model} is not served any more as it was when the lease began; open another one.`,
    )
}

const triedLimit = 4_096

/** Jobs whose time is over, and the oldest when there are too many, are forgotten. */
function remember({ tried }: Held, id: Hex.Hex, until: number, now: number): void {
  tried.set(id, until)
  // They stand in the order in which they came, and mostly expire in it.
  for (const [old, expiresAt] of tried) {
    if (expiresAt > now && tried.size <= triedLimit) return
    tried.delete(old)
  }
}
