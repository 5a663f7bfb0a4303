import { BaseError } from '../runtime/Errors.ts'
import { NoReplyError } from '../network/Network.ts'
import * as Completion from '../protocol/Completion.ts'
import type * as ExactClaim from '../protocol/ExactClaim.ts'
import * as Exchange from '../protocol/Exchange.ts'
import * as Hex from '../protocol/Hex.ts'
import * as Job from '../protocol/Job.ts'
import * as Json from '../protocol/Json.ts'
import * as Receipt from '../protocol/Receipt.ts'
import type { Signed } from '../protocol/SignedMessage.ts'
import { checkClaim } from './checkClaim.ts'
import { checkReceipt } from './checkReceipt.ts'
import type { Context } from './internal/context.ts'
import { providerOf, tierOf, type Held } from './internal/held.ts'

/** A job's deltas as they come, then its checked end. */
export type JobEvent =
  | { readonly type: 'job-delta'; readonly delta: Completion.Delta }
  | {
      readonly type: 'job-end'
      readonly finishReason: Completion.FinishReason
      readonly usage: Completion.Usage
      readonly receiptId: Hex.Hex
      readonly receipt: Signed<Receipt.Receipt>
      /** What the provider answers for, in a lease of tier `exact`. */
      readonly claim: Signed<ExactClaim.ExactClaim> | undefined
    }

/** Text a token can be at most, in characters: engines give at most a few words for one. */
const tokenTextLimit = 256

/** How long after it was signed a provider may begin a job. */
const startWithinMs = 60_000

/** Signs a job. Its hash is its id. */
export function createJob(
  { identity, chain, clock, random }: Context,
  held: Held,
  request: Completion.Request,
): { readonly id: Hex.Hex; readonly signed: Signed<Job.Job> } {
  const now = clock.now()
  const job: Job.Job = {
    nonce: Hex.from(random.bytes(32)),
    lease: held.id,
    buyer: identity.address,
    provider: providerOf(held),
    request: Completion.hashRequest(request),
    createdAt: now,
    expiresAt: now + startWithinMs,
  }
  return { id: Job.hash(chain.domain, job), signed: Job.sign(chain.domain, job, identity) }
}

/**
 * Sends a job and passes on its answer while it holds to what was asked; the end comes only with a
 * receipt that checks, and in a lease of tier `exact` with a claim that does.
 *
 * @throws {WrongAnswerError} when the provider breaks the agreement: other words than JSON, too many
 * tokens, a wrong receipt. @throws whatever the network throws when it fails or falls silent.
 */
export async function* runJob(
  context: Context,
  held: Held,
  job: { readonly id: Hex.Hex; readonly signed: Signed<Job.Job> },
  request: Completion.Request,
  { signal }: { signal: AbortSignal },
): AsyncGenerator<JobEvent, void, undefined> {
  const { network, clock, chain, settings, providers } = context
  const body = Json.toBytes({ job: job.signed, request } satisfies Exchange.JobRequest)
  const sentAt = clock.now()
  const answer = collect(request)
  const replies = network.request(held.peerId, Exchange.protocols.job, body, {
    signal,
    idleTimeoutMs: settings.idleTimeoutMs,
  })
  let first = true
  for await (const bytes of replies) {
    const event = Json.decode(Exchange.jobEvent, bytes, { what: 'JobEvent' })
    if (event.type === 'job-start') {
      if (event.job !== job.id)
        throw new WrongAnswerError('Job.OtherStarted', 'It started another job.')
      continue
    }
    if (event.type === 'job-delta') {
      if (first) providers.measured(providerOf(held), clock.now() - sentAt)
      first = false
      answer.add(event.delta)
      yield event
      continue
    }
    const { message: receipt } = event.receipt
    const { finishReason } = event
    const claim = tierOf(held) === 'exact' ? event.claim : undefined
    const { inputTokens, outputTokens } = receipt
    const usage = { inputTokens, outputTokens }
    const facts = { domain: chain.domain, bid: held.bid.message, jobId: job.id, request }
    const nowMs = clock.now()
    const problem =
      checkReceipt(event.receipt, {
        ...facts,
        job: job.signed.message,
        output: answer.end(finishReason),
        metered: held.readied,
        nowMs,
      }) ??
      (tierOf(held) === 'exact'
        ? checkClaim(claim, { ...facts, ...settings, usage, finishReason, nowMs })
        : undefined)
    if (problem) throw new WrongAnswerError(problem.code, problem.message)
    yield {
      type: 'job-end',
      finishReason,
      usage,
      receiptId: Receipt.hash(chain.domain, receipt),
      receipt: event.receipt,
      claim,
    }
    return
  }
  throw new NoReplyError({ peer: held.peerId, protocol: Exchange.protocols.job })
}

/** Gathers what was received, and stops a provider that sends more than was asked for. */
function collect({ maxTokens }: Completion.Request) {
  const texts: string[] = []
  const tokenIds: number[] = []
  let characters = 0
  return {
    add(delta: Completion.Delta) {
      texts.push(delta.text)
      characters += delta.text.length
      for (const id of delta.tokenIds) tokenIds.push(id)
      if (tokenIds.length > maxTokens || texts.length > 2 * maxTokens + 16)
        throw new WrongAnswerError(
          'Job.TooManyTokens',
          `It sent ${Math.max(tokenIds.length, texts.length)} tokens; ${maxTokens} were asked for.`,
        )
      if (characters > Math.min(1_000_000, maxTokens * tokenTextLimit))
        throw new WrongAnswerError(
          'Job.TooMuchText',
          `It sent ${characters} characters; ${maxTokens} tokens were asked for.`,
        )
    },
    end: (finishReason: Completion.FinishReason): Completion.Output => ({
      text: texts.join(''),
      tokenIds,
      finishReason,
    }),
  }
}

/** Thrown when a provider's answer is not what the job and the lease say. `code` names what is wrong. */
export class WrongAnswerError extends BaseError {
  override readonly code: string

  constructor(code: string, sentence: string) {
    super(sentence, { metaMessages: ['Nothing is charged for this job.'] })
    this.code = code
  }
}
