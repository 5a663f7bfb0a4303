import * as Completion from '../protocol/Completion.ts'
import type * as Domain from '../protocol/Domain.ts'
import * as Job from '../protocol/Job.ts'
import * as Receipt from '../protocol/Receipt.ts'
import type { Signed } from '../protocol/SignedMessage.ts'
import { messageOf } from '../runtime/Errors.ts'

/** One thing that was checked. */
export type Check = {
  /** What was checked, as a sentence that is true when `ok`. */
  readonly what: string
  readonly ok: boolean
  /** Stable code of the check, e.g. `Receipt.OutputDiffers`. */
  readonly code: string
  /** What is there and what should be, when it is not ok. */
  readonly reason?: string | undefined
}

/**
 * Checks a receipt offline: its signature and its sums, and whatever of the job, the request and the
 * output is at hand against what it says. Only what was checked is in the answer.
 *
 * @example
 * ```ts
 * const checks = verifyReceipt(domain, receipt, { request, output })
 * if (checks.every(({ ok }) => ok)) trust(receipt)
 * ```
 */
export function verifyReceipt(
  domain: Domain.Domain,
  signed: Signed<Receipt.Receipt>,
  facts: verifyReceipt.Facts = {},
): readonly Check[] {
  const { message: receipt } = signed
  return [
    signature(domain, signed),
    ...sums(receipt),
    ...(facts.job ? ofJob(domain, receipt, facts.job) : []),
    ...(facts.request ? ofRequest(receipt, facts.request) : []),
    ...(facts.output ? ofOutput(receipt, facts.output) : []),
  ]
}

export declare namespace verifyReceipt {
  type Facts = {
    readonly job?: Signed<Job.Job> | undefined
    readonly request?: Completion.Request | undefined
    readonly output?: Completion.Output | undefined
  }
}

function signature(domain: Domain.Domain, signed: Signed<Receipt.Receipt>): Check {
  const what = `Provider ${signed.message.provider} signed it, for this network`
  return attempt(what, 'Receipt.NotSigned', () => void Receipt.verify(domain, signed))
}

function sums(receipt: Receipt.Receipt): readonly Check[] {
  const { outputTokens, maxTokens, readyAt, startedAt, endedAt, priceMicroUsd } = receipt
  return [
    check('Receipt.TooManyTokens', 'It counts no more tokens than were asked for', {
      ok: outputTokens <= maxTokens,
      reason: `${outputTokens} tokens; ${maxTokens} were asked for`,
    }),
    check('Receipt.TimesDisordered', 'Its times are in order', {
      ok: startedAt <= endedAt && readyAt <= endedAt,
      reason: `ready ${readyAt}, started ${startedAt}, ended ${endedAt}`,
    }),
    check('Receipt.ProbeCharged', 'Nothing is charged before the lease was ready', {
      ok: readyAt > 0 || priceMicroUsd === 0n,
      reason: `${priceMicroUsd} micro-USD for a probe`,
    }),
  ]
}

function ofJob(
  domain: Domain.Domain,
  receipt: Receipt.Receipt,
  job: Signed<Job.Job>,
): readonly Check[] {
  const { message } = job
  return [
    attempt(
      `Buyer ${message.buyer} signed the job`,
      'Job.NotSigned',
      () => void Job.verify(domain, job),
    ),
    equal('Receipt.JobDiffers', 'It is about this job', receipt.job, Job.hash(domain, message)),
    equal('Receipt.LeaseDiffers', 'It is in the lease of the job', receipt.lease, message.lease),
    equal('Receipt.BuyerDiffers', 'It names the buyer of the job', receipt.buyer, message.buyer),
    equal(
      'Receipt.ProviderDiffers',
      'It names the provider of the job',
      receipt.provider,
      message.provider,
    ),
    equal(
      'Receipt.RequestDiffers',
      'It is about the request of the job',
      receipt.request,
      message.request,
    ),
  ]
}

function ofRequest(receipt: Receipt.Receipt, request: Completion.Request): readonly Check[] {
  const same = (code: string, what: string, field: 'model' | Sampling) =>
    equal(code, `Its ${what} is that of the request`, receipt[field], request[field])
  return [
    equal(
      'Receipt.RequestDiffers',
      'The request has the hash that it names',
      receipt.request,
      Completion.hashRequest(request),
    ),
    same('Receipt.ModelDiffers', 'model', 'model'),
    same('Receipt.SeedDiffers', 'seed', 'seed'),
    same('Receipt.TemperatureDiffers', 'temperature', 'temperatureMicro'),
    same('Receipt.TopPDiffers', 'top-p', 'topPMicro'),
    same('Receipt.MaxTokensDiffers', 'limit of tokens', 'maxTokens'),
  ]
}

type Sampling = 'seed' | 'temperatureMicro' | 'topPMicro' | 'maxTokens'

function ofOutput(receipt: Receipt.Receipt, output: Completion.Output): readonly Check[] {
  return [
    equal(
      'Receipt.OutputDiffers',
      'The answer has the hash that it names',
      receipt.output,
      Completion.hashOutput(output),
    ),
    check('Receipt.TokensMissing', 'It counts the tokens that the answer lists', {
      ok: output.tokenIds.length <= receipt.outputTokens,
      reason: `${output.tokenIds.length} tokens are listed and ${receipt.outputTokens} counted`,
    }),
  ]
}

function equal(code: string, what: string, found: string | number, wanted: string | number): Check {
  return check(code, what, { ok: found === wanted, reason: `${found} instead of ${wanted}` })
}

function check(code: string, what: string, { ok, reason }: { ok: boolean; reason: string }): Check {
  return ok ? { code, what, ok } : { code, what, ok, reason: reason.slice(0, 512) }
}

function attempt(what: string, code: string, verify: () => void): Check {
  try {
    verify()
    return { what, code, ok: true }
  } catch (error) {
    return { what, code, ok: false, reason: messageOf(error) }
  }
}
