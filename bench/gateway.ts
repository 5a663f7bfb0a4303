import { availableParallelism, loadavg } from 'node:os'
import { setTimeout as wait } from 'node:timers/promises'
import type { Bench } from './Bench.ts'
import { gas } from './gas.ts'
import { loadClient, type Target } from './gateway/load.ts'
import { startMarket } from './gateway/startMarket.ts'
import { interleave, type Comparison } from './interleave.ts'
import { table } from './table.ts'
import { vouchersPerSecond } from './vouchers.ts'

/** How many callers ask at once; `ratio` is that of the last. */
const levels = [1, 8, 32] as const

/** What the market costs an answer, against asking the same upstream directly. */
export const bench: Bench = {
  description: 'what gateway, buyer, network and provider add to an upstream that takes 20 ms',
  async run({ say }) {
    const [load] = loadavg()
    say(`${availableParallelism()} cores, load ${load!.toFixed(1)} before we begin`)
    const vouchers = Math.round(vouchersPerSecond().median)
    const costs = await gas()
    const { latency, rates } = await compare(say)

    say('')
    say(table(['one answer at a time', 'direct', 'through', 'added'], [latencyRow(latency)]))
    say('')
    const rows = rates.map(({ concurrency, answers }) => [
      concurrency,
      answers.b.median.toFixed(0),
      answers.a.median.toFixed(0),
      answers.ratio.toFixed(2),
    ])
    say(table(['callers', 'direct, answers a second', 'through', 'ratio'], rows))
    say('')
    const figures = { vouchersPerSecond: vouchers, ...costs }
    const targets = [10_000, 60_000, 12_500, 11_500]
    const facts = Object.entries(figures).map(([name, figure], i) => [name, figure, targets[i]!])
    say(table(['', 'measured', 'target'], facts))
    const at = Object.fromEntries(
      rates.map(({ concurrency, answers }) => [`ratioAt${concurrency}`, round(answers.ratio)]),
    )
    return {
      addedMs: round(latency.difference),
      ratio: round(rates.at(-1)!.answers.ratio),
      ...at,
      ...figures,
    }
  },
}

async function compare(say: (text: string) => void) {
  await using market = await startMarket()
  using client = loadClient(64)
  const { direct, through } = market
  await warmUp(client, through)
  say('upstream, chain, bootstrap node, provider and gateway run; measuring')
  const latency = await interleave(
    { rounds: 200, warmup: 20 },
    () => client.latencyMs(through),
    () => client.latencyMs(direct),
  )
  const rates: { readonly concurrency: number; readonly answers: Comparison }[] = []
  for (const concurrency of levels) {
    const answers = await interleave(
      { rounds: 3, warmup: 1 },
      () => client.perSecond(through, { concurrency, seconds: 2 }),
      () => client.perSecond(direct, { concurrency, seconds: 2 }),
    )
    rates.push({ concurrency, answers })
  }
  return { latency, rates }
}

/** The first answer waits for a lease; after that the programs are compiled while they run. */
async function warmUp(client: ReturnType<typeof loadClient>, through: Target): Promise<void> {
  for (let attempt = 0; ; attempt++)
    try {
      await client.latencyMs(through)
      break
    } catch (error) {
      if (attempt >= 60) throw error
      await wait(500)
    }
  await client.perSecond(through, { concurrency: 8, seconds: 8 })
}

function latencyRow({ a, b, difference }: Comparison) {
  const ms = (value: number) => `${value.toFixed(2)} ms`
  return ['median', ms(b.median), ms(a.median), ms(difference)]
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000
}
