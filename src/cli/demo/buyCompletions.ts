import OpenAI from 'openai'
import * as Assurance from '../../protocol/Assurance.ts'
import type { Clock } from '../../runtime/Clock.ts'
import { formatUsd } from '../money.ts'
import type { openLedger } from './openLedger.ts'
import type { Printer } from './printer.ts'
import type { LocalNetwork } from './startLocalNetwork.ts'

/** What twenty purchases came to; the numbers of the JSON line. */
export type Summary = {
  readonly jobs: number
  readonly delivered: number
  readonly paid: number
  readonly paidMicroUsd: string
  readonly verified: number
  readonly rejected: number
  /** Answers rejected though their provider was honest; always 0, or something is wrong. */
  readonly wronglyRejected: number
}

type Bought = {
  readonly job: string
  readonly provider: string
  readonly tokens: number
  state: string
  assurance: string
  /** Why it was refunded. */
  reason: string
  priceMicroUsd: bigint
}

/** Buys completions with the official client, waits until each is settled and claimed on the chain, and prints a table. */
export async function buyCompletions(
  { clock, say }: { clock: Clock; say: Printer },
  options: {
    network: LocalNetwork
    ledger: ReturnType<typeof openLedger>
    jobs: number
  },
): Promise<Summary> {
  const { network, ledger, jobs } = options
  const { urls, apiKey, model, cheat } = network
  const client = new OpenAI({ baseURL: `${urls.gateway}/v1`, apiKey, maxRetries: 4 })
  const claimedBefore = (await ledger.read()).claimed

  say.line(`\n  Buying ${jobs} completions of ${model} with the openai client`)
  const bought: Bought[] = []
  const next = Array.from({ length: jobs }, (_, index) => index).values()
  const buyer = async () => {
    for (const index of next) {
      bought.push(await buyOne(client, model, index))
      say.progress(bought.length, jobs, 'bought')
    }
  }
  await Promise.all(Array.from({ length: concurrency }, buyer))

  await say.step('each answer is checked, then paid or refunded', async () => {
    for (const item of bought) await settle({ clock, network }, item)
  })
  const paid = bought.filter((item) => item.state === 'paid')
  const paidMicroUsd = paid.reduce((sum, item) => sum + item.priceMicroUsd, 0n)
  await say.step('payments are claimed on the chain', async () => {
    for (let attempt = 0; attempt < 240; attempt++) {
      if ((await ledger.read()).claimed - claimedBefore >= paidMicroUsd) return
      await clock.sleep(250)
    }
    throw new Error('The providers did not claim their payments within a minute.')
  })

  const name = (provider: string) => {
    const index = network.providers.findIndex((account) => account === provider)
    return index < 0 ? provider : `provider-${index + 1}`
  }
  say.table([
    ['job', 'provider', 'tokens', 'price', 'verdict', 'payment'],
    ...bought.map((item) => [
      item.job.slice(0, 12),
      name(item.provider),
      String(item.tokens),
      formatUsd(item.priceMicroUsd),
      item.state === 'refunded' ? item.reason : item.assurance,
      item.state,
    ]),
  ])
  const rejected = bought.filter((item) => item.state === 'refunded')
  return {
    jobs,
    delivered: bought.length,
    paid: paid.length,
    paidMicroUsd: String(paidMicroUsd),
    verified: bought.filter((item) => item.assurance.includes('verified(')).length,
    rejected: rejected.length,
    wronglyRejected: rejected.filter((item) => item.provider !== cheat).length,
  }
}

const concurrency = 4
const prompts = [
  'What is Weft?',
  'Say what a receipt binds.',
  'How is a provider paid?',
  'Why does a lease have an expiry?',
  'Name the five tiers.',
] as const

/** Buys one completion: every second one greedy, every fourth one streamed. */
async function buyOne(client: OpenAI, model: string, index: number): Promise<Bought> {
  const request = {
    model,
    messages: [{ role: 'user' as const, content: prompts[index % prompts.length]! }],
    max_tokens: 48,
    temperature: index % 2 === 0 ? 0 : 0.7,
    seed: index,
  }
  if (index % 4 !== 3) return read(await client.chat.completions.create(request))
  const stream = await client.chat.completions.create({
    ...request,
    stream: true,
    stream_options: { include_usage: true },
  })
  let last: unknown
  for await (const chunk of stream) if ('weft' in chunk) last = chunk
  return read(last)
}

/** Reads the `weft` field that the gateway adds to an answer. */
function read(answer: unknown): Bought {
  const { weft, usage } = answer as {
    weft: { jobs: readonly { job: string; provider: string; priceMicroUsd: string }[] }
    usage: { completion_tokens: number }
  }
  const { job, provider, priceMicroUsd } = weft.jobs[0]!
  return {
    job,
    provider,
    tokens: usage.completion_tokens,
    state: 'delivered',
    assurance: '',
    reason: '',
    priceMicroUsd: BigInt(priceMicroUsd),
  }
}

/** Waits until a job is paid or refunded, and notes how. */
async function settle(
  { clock, network }: { clock: Clock; network: LocalNetwork },
  item: Bought,
): Promise<void> {
  const url = `${network.urls.gateway}/v1/weft/jobs/${item.job}`
  for (let attempt = 0; attempt < 1200; attempt++) {
    const answer = await fetch(url, { headers: { authorization: `Bearer ${network.apiKey}` } })
    const job = (await answer.json()) as Record<string, unknown>
    item.state = String(job['state'])
    item.assurance = Assurance.format(job['assurance'] as Assurance.Assurance)
    item.reason = reasonOf(job['reason'])
    if (['paid', 'refunded', 'failed'].includes(item.state)) return
    await clock.sleep(100)
  }
}

/** In a reader's words; a code that says more than that it was wrong stays one. */
function reasonOf(code: unknown): string {
  return /^(Rerun|Exact|Receipt|Verdict\.Invalid)/.test(String(code)) ? 'found wrong' : String(code)
}
