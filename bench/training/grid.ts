import type { Bench, Figures } from '../Bench.ts'
import { table } from '../table.ts'
import type { Plan } from './course.ts'
import type { Records } from './records.ts'

/** Learning rates are chosen among four settings for each rule, with four workers and one seed. */
export async function grid({ say }: Bench.Ports, { course }: Records): Promise<Figures> {
  const base = { workers: 4, rounds: 200, steps: 15, seed: 1 }
  const alone = [0.004, 0.008, 0.016, 0.032].map((rate) => ({ rate, beta2: 0.95 }))
  const joined = outerSteps.flatMap(({ rates, ...terms }) =>
    rates.map((rate) => ({ rate, beta2: 0.95, terms })),
  )
  const plans: readonly Plan[] = [
    ...alone.map((each): Plan => ({ ...base, rule: 'machine', ...each })),
    ...joined.map((each): Plan => ({ ...base, rule: 'sparse', ...each })),
    ...joined.map((each): Plan => ({ ...base, rule: 'diloco', ...each })),
    ...joined.map((each): Plan => ({ ...base, rule: 'streaming', ...each })),
  ]
  const rows: string[][] = []
  for (const plan of plans) {
    const { loss } = await course(plan)
    const { outerRateMicro = 0, outerMomentumMicro = 0 } = plan.terms ?? {}
    const outer = plan.terms ? `${outerRateMicro / 1e6}, ${outerMomentumMicro / 1e6}` : ''
    rows.push([plan.rule, String(plan.rate), String(plan.beta2), outer, loss.toFixed(4)])
  }
  say(table(['rule', 'rate', 'beta2', 'outer rate, momentum', 'held-out loss'], rows))
  return {}
}

/** The more the outer step amplifies, the smaller the inner rates that suit it. */
const outerSteps = [
  { outerRateMicro: 1_000_000, outerMomentumMicro: 0, rates: [0.032] },
  { outerRateMicro: 1_000_000, outerMomentumMicro: 500_000, rates: [0.016, 0.032] },
  { outerRateMicro: 700_000, outerMomentumMicro: 800_000, rates: [0.008] },
]
