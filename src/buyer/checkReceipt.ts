import * as Completion from '../protocol/Completion.ts'
import type * as Bid from '../protocol/Bid.ts'
import type * as Domain from '../protocol/Domain.ts'
import type { Reason } from '../protocol/Exchange.ts'
import * as Hex from '../protocol/Hex.ts'
import type * as Job from '../protocol/Job.ts'
import * as Receipt from '../protocol/Receipt.ts'
import type { Signed } from '../protocol/SignedMessage.ts'
import { messageOf } from '../runtime/Errors.ts'

/**
 * Says why a receipt is not the one that is owed: the first thing in it that differs from what was
 * agreed in the bid, asked in the job, or received. Undefined when all of it is right.
 */
export function checkReceipt(
  signed: Signed<Receipt.Receipt>,
  facts: checkReceipt.Facts,
): Reason | undefined {
  const { domain, bid } = facts
  const { message: receipt } = signed
  if (receipt.provider !== bid.provider) return differs('Provider', receipt.provider, bid.provider)
  try {
    Receipt.verify(domain, signed)
  } catch (error) {
    return { code: 'Receipt.NotSigned', message: messageOf(error) }
  }
  const { job, jobId, request, output } = facts
  const equal: readonly (readonly [string, unknown, unknown])[] = [
    ['Job', receipt.job, jobId],
    ['Lease', receipt.lease, job.lease],
    ['Buyer', receipt.buyer, job.buyer],
    ['Request', receipt.request, job.request],
    ['Output', receipt.output, Completion.hashOutput(output)],
    ['Model', receipt.model, bid.model],
    ['Weights', receipt.weights, bid.weights],
    ['Quantisation', receipt.quantisation, bid.quantisation],
    ['Engine', receipt.engine, bid.engine],
    ['Tier', receipt.tier, bid.tier],
    ['Seed', receipt.seed, request.seed],
    ['Temperature', receipt.temperatureMicro, request.temperatureMicro],
    ['TopP', receipt.topPMicro, request.topPMicro],
    ['MaxTokens', receipt.maxTokens, request.maxTokens],
  ]
  const unequal = equal.find(([, found, wanted]) => found !== wanted)
  if (unequal) return differs(...unequal)
  return checkUsage(receipt, facts) ?? checkPrice(receipt, facts) ?? checkTimes(receipt, facts)
}

export declare namespace checkReceipt {
  type Facts = {
    readonly domain: Domain.Domain
    /** The terms of the lease. */
    readonly bid: Bid.Bid
    readonly job: Job.Job
    readonly jobId: Hex.Hex
    readonly request: Completion.Request
    /** Exactly what was received. */
    readonly output: Completion.Output
    /** Whether the lease's meter runs; before that the price is zero. */
    readonly metered: boolean
    readonly nowMs: number
    /** @default 30_000 */
    readonly clockSkewMs?: number | undefined
  }
}

/**
 * The most tokens that a request's input can be: one a byte, and the frame that chat templates put
 * around it. A provider that counts more is charging for what nobody sent.
 */
export function inputTokensLimit({ input }: Pick<Completion.Request, 'input'>): number {
  const bytes = (text: string) => Buffer.byteLength(text)
  if (input.kind === 'text') return bytes(input.prompt) + frameTokens
  return input.messages.reduce(
    (sum, { content }) => sum + bytes(content) + messageFrameTokens,
    frameTokens,
  )
}

const frameTokens = 256
const messageFrameTokens = 32

function checkUsage(receipt: Receipt.Receipt, facts: checkReceipt.Facts): Reason | undefined {
  const { request, output } = facts
  const most = inputTokensLimit(request)
  if (receipt.inputTokens > most) return over('InputTokens', receipt.inputTokens, most)
  if (receipt.outputTokens > request.maxTokens)
    return over('OutputTokens', receipt.outputTokens, request.maxTokens)
  // An end token has no id of its own, and tokens that a stop text swallowed were made all the same.
  const told = output.tokenIds.length
  const unseen = 1 + Math.max(0, ...request.stop.map((text) => Buffer.byteLength(text)))
  if (told > 0 && receipt.outputTokens > told + unseen)
    return over('OutputTokens', receipt.outputTokens, told + unseen)
  return undefined
}

function checkPrice(
  receipt: Receipt.Receipt,
  { bid, metered }: checkReceipt.Facts,
): Reason | undefined {
  const owed = metered && receipt.readyAt > 0 ? Completion.priceMicroUsd(receipt, bid) : 0n
  return receipt.priceMicroUsd === owed ? undefined : differs('Price', receipt.priceMicroUsd, owed)
}

function checkTimes(receipt: Receipt.Receipt, facts: checkReceipt.Facts): Reason | undefined {
  const { nowMs, job, clockSkewMs = 30_000 } = facts
  const { readyAt, startedAt, endedAt } = receipt
  if (startedAt > endedAt) return over('StartedAt', startedAt, endedAt)
  if (readyAt > endedAt) return over('ReadyAt', readyAt, endedAt)
  if (endedAt > nowMs + clockSkewMs) return over('EndedAt', endedAt, nowMs + clockSkewMs)
  if (startedAt < job.createdAt - clockSkewMs)
    return {
      code: 'Receipt.StartedAtTooEarly',
      message: `The receipt says ${startedAt}; the job was made at ${job.createdAt}.`,
    }
  return undefined
}

function differs(what: string, found: unknown, wanted: unknown): Reason {
  return {
    code: `Receipt.${what}Differs`,
    message: `The receipt says ${show(found)}; agreed was ${show(wanted)}.`,
  }
}

function over(what: string, found: bigint | number, most: bigint | number): Reason {
  return {
    code: `Receipt.${what}TooHigh`,
    message: `The receipt says ${found}; at most ${most} is right.`,
  }
}

function show(value: unknown): string {
  return String(value).slice(0, 200)
}
