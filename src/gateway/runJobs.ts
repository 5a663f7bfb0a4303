import type { AvailableModel, Buyer, BuyerEvent } from '../buyer/Buyer.ts'
import type * as Assurance from '../protocol/Assurance.ts'
import { inputTokensLimit } from '../buyer/checkReceipt.ts'
import * as Completion from '../protocol/Completion.ts'
import type { ApiKey } from './keys.ts'
import { RequestError } from './Problem.ts'
import type { Reservation, Spending } from './startSpending.ts'

/** An event of the job behind one choice. */
export type ChoiceEvent = { readonly index: number; readonly event: BuyerEvent }

/**
 * Buys the jobs of one request side by side, and accounts for them to the API key: the most each may
 * cost is set aside before any is sent.
 *
 * @throws {CapError} before anything is sent, when the key has not enough left.
 * @throws whatever the buyer throws. The caller aborts `signal` whenever it stops reading, so that the
 *   other jobs of the request end too; a key pays for those that were delivered by then.
 */
export async function* runJobs(
  ports: { buyer: Buyer; spending: Spending },
  options: runJobs.Options,
): AsyncGenerator<ChoiceEvent, void, undefined> {
  const { buyer, spending } = ports
  const { key, model, requests, tier, maxMicroUsd, signal } = options
  const reservations: Reservation[] = []
  try {
    for (const request of requests) {
      const amount = ceiling(request, model, maxMicroUsd)
      reservations.push(await spending.reserve(key, amount))
    }
    const jobs = requests.map((request, index) => {
      const reservation = reservations[index]!
      const { amountMicroUsd } = reservation
      const events = buyer.complete(request, { tier, maxMicroUsd: amountMicroUsd, signal })
      return accounted(events, reservation, index)
    })
    yield* jobs.length === 1 ? jobs[0]! : merge(jobs)
  } finally {
    for (const reservation of reservations) reservation.release()
  }
}

export declare namespace runJobs {
  type Options = {
    key: ApiKey
    model: AvailableModel
    requests: readonly Completion.Request[]
    tier?: Assurance.Tier | undefined
    /** The most one job may cost, when the client says so. */
    maxMicroUsd?: bigint | undefined
    signal: AbortSignal
  }
}

/**
 * What a job may cost: at least so much must be free, at the lowest asks; up to `headroom` times that
 * is set aside, so that a dearer provider can step in. The bytes of the prompt bound its tokens.
 */
export function ceiling(
  request: Completion.Request,
  prices: Pick<AvailableModel, 'inputMicroUsdPerMillion' | 'outputMicroUsdPerMillion'>,
  maxMicroUsd?: bigint,
): { readonly atLeastMicroUsd: bigint; readonly atMostMicroUsd: bigint } {
  const usage = { inputTokens: inputTokensLimit(request), outputTokens: request.maxTokens }
  const lowest = Completion.priceMicroUsd(usage, prices)
  if (maxMicroUsd === undefined)
    return { atLeastMicroUsd: lowest, atMostMicroUsd: lowest * headroom }
  if (maxMicroUsd < lowest)
    throw new RequestError('The completion could cost more than the request allows.', {
      status: 402,
      code: 'price_over_limit',
      param: 'weft-max-micro-usd',
      retry: 'no',
      metaMessages: [
        `Allowed: ${maxMicroUsd} micro-USD; at the lowest asks it could cost ${lowest}.`,
        'Fix: ask for fewer tokens, or allow more.',
      ],
    })
  return { atLeastMicroUsd: lowest, atMostMicroUsd: min(maxMicroUsd, lowest * headroom) }
}

const headroom = 4n

/** Passes a job's events on; nothing of the answer leaves before the charge is on disk. */
async function* accounted(
  events: AsyncGenerator<BuyerEvent>,
  reservation: Reservation,
  index: number,
): AsyncGenerator<ChoiceEvent> {
  let attached: Promise<void> | undefined
  try {
    for await (const event of events) {
      if (event.type === 'completion-start') attached = quietly(reservation.attach(event.job))
      else if (attached) {
        await attached
        attached = undefined
      }
      if (event.type === 'completion-end') reservation.settle(event.priceMicroUsd)
      yield { index, event }
    }
  } finally {
    reservation.release()
  }
}

/** The same promise, whose failure is not reported as unhandled while nobody waits for it yet. */
function quietly(promise: Promise<void>): Promise<void> {
  promise.catch(() => undefined)
  return promise
}

/** Events of several generators as they come; ends them all when one fails or the reader leaves. */
async function* merge<item>(
  generators: readonly AsyncGenerator<item>[],
): AsyncGenerator<item, void, undefined> {
  type Step = { readonly generator: AsyncGenerator<item>; readonly result: IteratorResult<item> }
  const step = async (generator: AsyncGenerator<item>): Promise<Step> => ({
    generator,
    result: await generator.next(),
  })
  const pending = new Map(generators.map((generator) => [generator, step(generator)]))
  try {
    while (pending.size > 0) {
      const { generator, result } = await Promise.race(pending.values())
      if (result.done) pending.delete(generator)
      else {
        pending.set(generator, step(generator))
        yield result.value
      }
    }
  } finally {
    const left = [...pending]
    for (const [, running] of left) running.catch(() => undefined)
    for (const [generator] of left) generator.return(undefined).catch(() => undefined)
  }
}

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b
}
