import * as Completion from '../protocol/Completion.ts'
import type * as ExactClaim from '../protocol/ExactClaim.ts'
import * as Exchange from '../protocol/Exchange.ts'
import type * as Hex from '../protocol/Hex.ts'
import * as Receipt from '../protocol/Receipt.ts'
import type { Signed } from '../protocol/SignedMessage.ts'
import { BaseError, codeOf, messageOf } from '../runtime/Errors.ts'
import { admitJob, checkJob, type Admitted, type Checked } from './admitJob.ts'
import { move } from './answerNotices.ts'
import type { Context } from './Context.ts'
import { addClaim, addJob } from './Journal.ts'
import * as Meter from './Meter.ts'
import { gatherDeltas } from './gatherDeltas.ts'
import { RefusedError } from './RefusedError.ts'
import { signClaim } from './signClaim.ts'
import { isAboutRequest, runEngine, type Finished } from './runEngine.ts'
import { watchJob } from './watchJob.ts'

/**
 * Runs a job: `job-start`, a `job-delta` for every piece, `job-end` with the signed receipt and, in a lease
 * of tier `exact`, a signed claim. Both are in the journal before anybody sees them. A job that was
 * delivered before is answered from the journal.
 *
 * @throws {RefusedError} when the job may not run, or the engine broke a rule; then nothing is charged.
 */
export async function* answerJob(
  context: Context,
  body: Uint8Array,
  { buyer, signal }: { buyer: Hex.Address; signal: AbortSignal },
): AsyncGenerator<Exchange.JobEvent, void, undefined> {
  const checked = checkJob(context, body, buyer)
  const earlier = await context.journal.receipt(checked.held.id, checked.id)
  if (earlier) yield* repeat(context, checked)
  else yield* run(context, admitJob(context, checked), signal)
}

async function* run(
  context: Context,
  admitted: Admitted,
  signal: AbortSignal,
): AsyncGenerator<Exchange.JobEvent, void, undefined> {
  const { clock, engine, settings, outbox } = context
  const { id, held, request } = admitted
  const startedAt = clock.now()
  const watch = watchJob({ clock, signals: [signal, context.signal] }, settings)
  // A buyer that does not read must not hold a place.
  watch.signal.addEventListener('abort', admitted.release, { once: true })
  const build = held.bid.engine
  const deltas = runEngine(engine, request, { signal: watch.signal, build })
  const pieces = gatherDeltas(deltas)
  let tokens = 0
  let delivered = false
  let failure: unknown
  try {
    outbox.note({ subject: 'job', id, code: 'job-start', parent: held.id })
    yield { type: 'job-start', job: id }
    for (;;) {
      const step = await watch.engine(pieces.next())
      if (step.done) {
        const signed = await deliver(context, admitted, step.value, startedAt)
        delivered = true
        const { finishReason } = step.value.output
        yield { type: 'job-end', finishReason, ...signed }
        return
      }
      tokens += Math.max(1, step.value.tokenIds.length)
      yield { type: 'job-delta', delta: step.value }
      watch.moved()
    }
  } catch (error) {
    failure = watch.buyerIsGone(signal) ? error : explain(context, error)
    throw failure
  } finally {
    await watch[Symbol.asyncDispose]()
    await pieces.return(undefined as never)
    await deltas.return(undefined as never)
    admitted.release()
    if (!delivered)
      await end(context, admitted, { failure, tokens, gone: watch.buyerIsGone(signal) })
  }
}

/** What is signed for a delivered job. */
type Delivered = {
  readonly receipt: Signed<Receipt.Receipt>
  readonly claim?: Signed<ExactClaim.ExactClaim> | undefined
}

/** Signs the receipt and puts it, with its evidence and its claim, into the journal; then tells the network. */
async function deliver(
  context: Context,
  { id, held, job, request, metered, readyAt }: Admitted,
  { output, usage, exact }: Finished,
  startedAt: number,
): Promise<Delivered> {
  const { chain, identity, clock, book, outbox } = context
  const { bid, order } = held.deal
  const worthMicroUsd = Completion.priceMicroUsd(usage, bid.message)
  const receipt = Receipt.sign(
    chain.domain,
    {
      job: id,
      lease: held.id,
      provider: identity.address,
      buyer: held.key.buyer,
      request: job.message.request,
      output: Completion.hashOutput(output),
      model: bid.message.model,
      weights: bid.message.weights,
      quantisation: bid.message.quantisation,
      engine: bid.message.engine,
      tier: bid.message.tier,
      seed: request.seed,
      temperatureMicro: request.temperatureMicro,
      topPMicro: request.topPMicro,
      maxTokens: request.maxTokens,
      inputTokens: usage.inputTokens,
      outputTokens: usage.outputTokens,
      priceMicroUsd: metered ? worthMicroUsd : 0n,
      readyAt,
      startedAt,
      endedAt: clock.now(),
    },
    identity,
  )
  const readers = [held.key.buyer, ...order.message.validators]
  const claimed = bid.message.tier === 'exact' ? signClaim(context, id, exact) : undefined
  const claim = claimed?.claim
  const evidence = { job, request, output, receipt, claim }
  await book.change(held, () => {
    const meter = count(held.progress.meter, receipt.message, worthMicroUsd, clock.now())
    // A receipt lost in a power cut costs nothing: vouchers, which are on the disk at once, pay for it.
    const row = addJob({ evidence, readers }, clock.now())
    const writes = claimed
      ? [...row, ...addClaim(claimed.id, { claim: claimed.claim, request })]
      : row
    return { meter, writes, sync: 'soon' }
  })
  held.unpaid.set(id, receipt)
  outbox.publish(Exchange.topics.receipts, Receipt.serialize(receipt))
  const detail = `${usage.outputTokens} tokens, ${receipt.message.priceMicroUsd} micro-USD`
  outbox.note({ subject: 'job', id, code: 'job-delivered', detail, parent: held.id })
  return { receipt, claim }
}

function count(
  before: Meter.Meter,
  { priceMicroUsd, readyAt }: Receipt.Receipt,
  worthMicroUsd: bigint,
  now: number,
): Meter.Meter {
  const meter = Meter.next(before, { type: 'deliver', priceMicroUsd }, now)
  if (!meter)
    throw new RefusedError(
      'Provider.LeaseClosedError',
      'The lease was settled before the job ended.',
    )
  return readyAt > 0 ? meter : countProbe(meter, worthMicroUsd, now)
}

/** In a paused lease a probe is also a gift, so that nobody lives on pausing. */
function countProbe(before: Meter.Meter, worthMicroUsd: bigint, now: number): Meter.Meter {
  const meter = Meter.next(before, { type: 'probe' }, now) ?? before
  if (meter.state !== 'paused') return meter
  return Meter.next(meter, { type: 'give', worthMicroUsd }, now) ?? meter
}

/** A job that ended without a receipt: the lease pauses when it is our fault; else it counts as given. */
async function end(
  context: Context,
  { id, held, metered }: Admitted,
  { failure, tokens, gone }: { failure: unknown; tokens: number; gone: boolean },
): Promise<void> {
  const { outbox, book, clock, logger, signal } = context
  const parent = held.id
  const cancelled = gone || failure === undefined
  const worthMicroUsd = Completion.priceMicroUsd({ inputTokens: 0, outputTokens: tokens }, held.bid)
  if (cancelled) outbox.note({ subject: 'job', id, code: 'job-cancelled', parent })
  else outbox.note({ subject: 'job', id, code: 'job-failed', detail: codeOf(failure), parent })
  try {
    if (!metered)
      await book.change(held, () => ({
        meter: countProbe(held.progress.meter, worthMicroUsd, clock.now()),
      }))
    else if (cancelled && tokens > 0)
      await book.change(held, () => {
        const meter = Meter.next(held.progress.meter, { type: 'give', worthMicroUsd }, clock.now())
        return meter && { meter }
      })
    if (!cancelled && !isAboutRequest(failure) && !signal.aborted)
      await move(context, held, 'pause', codeOf(failure))
  } catch (error) {
    const reason = messageOf(error)
    logger.error({ lease: held.id, job: id, code: codeOf(error), reason }, 'The journal failed.')
  }
}

/** What may be told to the buyer; what an engine throws that is no error of ours stays here. */
function explain({ logger, signal }: Context, error: unknown): unknown {
  if (signal.aborted)
    return new RefusedError('Provider.BusyError', 'The provider stops; ask another one.')
  if (error instanceof BaseError) return error
  logger.error({ reason: messageOf(error) }, 'The engine failed.')
  return new RefusedError('Provider.EngineFaultError', 'The engine failed. Nothing is charged.')
}

/** Answers a job that was delivered before with the same output and the same receipt. */
async function* repeat(
  { journal }: Context,
  { id }: Checked,
): AsyncGenerator<Exchange.JobEvent, void, undefined> {
  const row = await journal.evidence(id)
  if (!row)
    throw new RefusedError(
      'Provider.NoEvidenceError',
      `Job ${id} was delivered, but its answer is not kept any more.`,
    )
  const { output, receipt, claim } = row.evidence
  yield { type: 'job-start', job: id }
  const { text, tokenIds, finishReason } = output
  yield { type: 'job-delta', delta: { text, tokenIds: tokenIds.slice(0, idsPerDelta) } }
  for (let from = idsPerDelta; from < tokenIds.length; from += idsPerDelta) {
    const delta = { text: '', tokenIds: tokenIds.slice(from, from + idsPerDelta) }
    yield { type: 'job-delta', delta }
  }
  yield { type: 'job-end', finishReason, receipt, claim }
}

const idsPerDelta = 65_536
