import type { AvailableModel, Buyer, BuyerEvent, JobRecord } from '../buyer/Buyer.ts'
import * as Completion from '../protocol/Completion.ts'
import * as Hex from '../protocol/Hex.ts'
import * as Identity from '../protocol/Identity.ts'
import * as Receipt from '../protocol/Receipt.ts'
import type { Clock } from '../runtime/Clock.ts'

/**
 * A buyer without a network, for the gateway's tests: its one provider answers every word of the
 * prompt in capitals, one delta a word, and signs a true receipt. Jobs are final when `judge` says so.
 */
export function memoryBuyer(
  { clock }: { clock: Clock },
  options: memoryBuyer.Options = {},
): Buyer & { readonly aborted: readonly Hex.Hex[] } {
  const { models = [defaultModel], deltaMs = 0, judge = async () => 'paid' } = options
  const { records = new Map<Hex.Hex, JobRecord>(), fail = () => undefined } = options
  const settling = new Map<Hex.Hex, Promise<JobRecord>>()
  const aborted: Hex.Hex[] = []
  const put = (record: JobRecord): JobRecord => {
    records.set(record.job, record)
    return record
  }
  // What was running when the process died came to nothing.
  for (const record of records.values())
    if (record.state === 'running') put({ ...record, state: 'failed', reason: 'crashed' })
  const settle = async (job: Hex.Hex): Promise<JobRecord> => {
    const record = records.get(job)!
    if (record.state !== 'delivered') return record
    const state = await judge(record)
    const priceMicroUsd = state === 'paid' ? record.priceMicroUsd : 0n
    return put({ ...record, state, priceMicroUsd })
  }

  return {
    address: buyerKey.address,
    aborted,
    models: () => models,
    leases: () => [],
    job: async (id) => records.get(id),
    jobs: async ({ limit = 100 } = {}) => [...records.values()].toReversed().slice(0, limit),
    settled(id) {
      const found = settling.get(id) ?? settle(id)
      settling.set(id, found)
      return found
    },
    balance: async () => ({
      walletMicroUsd: 0n,
      depositedMicroUsd: 1_000_000n,
      reservedMicroUsd: 400_000n,
      freeMicroUsd: 600_000n,
      spentMicroUsd: 0n,
    }),
    async *complete(request, { tier = 'unverified', maxMicroUsd, signal } = {}) {
      const model = models.find(({ id }) => id === request.model)!
      const early = fail(request, 'start', maxMicroUsd)
      if (early) throw early
      signal?.throwIfAborted()
      const job = Hex.sha256(`${records.size} ${Completion.hashRequest(request)}`)
      const record = put(recordOf({ job, model, tier, clock }))
      const { weights, quantisation } = model
      const lease = record.lease
      const provider = providerKey.address
      yield {
        type: 'completion-start',
        job,
        lease,
        provider,
        model: model.id,
        weights,
        quantisation,
        tier,
      }
      const run = { request, model, job, lease, clock, deltaMs, signal, fail }
      try {
        const end = yield* deltas(run)
        put({
          ...record,
          state: 'delivered',
          usage: end.usage,
          priceMicroUsd: end.priceMicroUsd,
          receiptId: end.receiptId,
        })
        yield { ...end, assurance: record.assurance }
      } finally {
        if (records.get(job)!.state === 'running') {
          put({ ...record, state: 'failed', reason: signal?.aborted ? 'aborted' : 'broken' })
          if (signal?.aborted) aborted.push(job)
        }
      }
    },
    async [Symbol.asyncDispose]() {},
  }
}

export declare namespace memoryBuyer {
  type Options = {
    models?: readonly AvailableModel[] | undefined
    /** Pause before every delta. */
    deltaMs?: number | undefined
    /** What outlives a crash of the process. */
    records?: Map<Hex.Hex, JobRecord> | undefined
    /** An error to throw before the start, or before delta number `at`. */
    fail?: Fail | undefined
    /** The last word on a delivered job. */
    judge?: ((record: JobRecord) => Promise<'paid' | 'refunded'>) | undefined
  }
}

type Fail = (
  request: Completion.Request,
  at: 'start' | number,
  maxMicroUsd: bigint | undefined,
) => Error | undefined

/** The model a memory buyer offers: 2 micro-USD a token in, 10 out. */
export const defaultModel: AvailableModel = {
  id: 'weft/shout',
  weights: `0x${'ab'.repeat(32)}`,
  quantisation: 'q8_0',
  contextTokens: 4096,
  tiers: ['unverified', 'statistical'],
  providers: [],
  inputMicroUsdPerMillion: 2_000_000n,
  outputMicroUsdPerMillion: 10_000_000n,
}

const buyerKey = Identity.from(new Uint8Array(32).fill(1))
const providerKey = Identity.from(new Uint8Array(32).fill(2))
const domain = { chainId: 31337, vault: `0x${'11'.repeat(20)}` } as const

type Run = {
  readonly request: Completion.Request
  readonly model: AvailableModel
  readonly job: Hex.Hex
  readonly lease: Hex.Hex
  readonly clock: Clock
  readonly deltaMs: number
  readonly signal: AbortSignal | undefined
  readonly fail: Fail
}

async function* deltas(run: Run) {
  const { request, clock, deltaMs, signal, fail } = run
  const { input, maxTokens, stop } = request
  const prompt = input.kind === 'text' ? input.prompt : input.messages.at(-1)!.content
  const whole = prompt.toUpperCase().match(/\S+\s*/g) ?? []
  const said: string[] = []
  let stopped = false
  for (const [at, word] of whole.entries()) {
    if (at >= maxTokens || stopped) break
    const broken = fail(request, at, undefined)
    if (broken) throw broken
    if (deltaMs > 0) await clock.sleep(deltaMs, { signal })
    signal?.throwIfAborted()
    stopped = stop.some((end) => word.includes(end))
    if (stopped) break
    said.push(word)
    yield { type: 'completion-delta' as const, delta: deltaOf(word, at, request.logprobs) }
  }
  const words = input.kind === 'text' ? [prompt] : input.messages.map((m) => m.content)
  const inputTokens = words.join(' ').split(/\s+/).length
  const usage = { inputTokens, outputTokens: said.length }
  const cut = !stopped && said.length < whole.length
  return endOf(run, said.join(''), usage, cut ? 'length' : 'stop')
}

function deltaOf(word: string, at: number, logprobs: number): Completion.Delta {
  const top = [word, '?', '!'].slice(0, logprobs).map((token, i) => ({ token, logprob: -i }))
  return {
    text: word,
    tokenIds: [at],
    ...(logprobs > 0 ? { logprobs: [{ token: word, logprob: 0, top }] } : {}),
  }
}

function endOf(
  { request, model, job, lease, clock }: Run,
  text: string,
  usage: Completion.Usage,
  finishReason: Completion.FinishReason,
): Omit<BuyerEvent & { type: 'completion-end' }, 'assurance'> {
  const priceMicroUsd = Completion.priceMicroUsd(usage, model)
  const { seed, temperatureMicro, topPMicro, maxTokens } = request
  const message = {
    job,
    lease,
    provider: providerKey.address,
    buyer: buyerKey.address,
    request: Completion.hashRequest(request),
    output: Completion.hashOutput({ text, tokenIds: [], finishReason }),
    model: model.id,
    weights: model.weights,
    quantisation: model.quantisation,
    engine: 'shout 1',
    tier: 'unverified',
    seed,
    temperatureMicro,
    topPMicro,
    maxTokens,
    ...usage,
    priceMicroUsd,
    readyAt: clock.now(),
    startedAt: clock.now(),
    endedAt: clock.now(),
  }
  return {
    type: 'completion-end',
    finishReason,
    usage,
    priceMicroUsd,
    receiptId: Receipt.hash(domain, message),
    receipt: Receipt.sign(domain, message, providerKey),
  }
}

function recordOf(facts: {
  job: Hex.Hex
  model: AvailableModel
  tier: JobRecord['assurance']['tier']
  clock: Clock
}): JobRecord {
  const { job, model, tier, clock } = facts
  return {
    job,
    lease: Hex.sha256('lease'),
    provider: providerKey.address,
    model: model.id,
    state: 'running',
    assurance: { tier, state: 'pending' },
    usage: { inputTokens: 0, outputTokens: 0 },
    priceMicroUsd: 0n,
    receiptId: Hex.zero,
    createdAt: clock.now(),
  }
}
