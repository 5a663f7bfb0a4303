import type { Plan } from './course.ts'

/** Settings of each rule: its best among those that were tried (docs/training.md). */
export type Settings = Partial<
  Record<Plan['rule'], Pick<Plan, 'rule' | 'rate' | 'beta2' | 'terms'>>
>

/** For rounds of 60 steps on batches of 32 rows. */
export const long = {
  machine: { rule: 'machine', rate: 0.032, beta2: 0.95 },
  diloco: outer('diloco', 0.032, { outerMomentumMicro: 0 }),
  streaming: outer('streaming', 0.032, { outerMomentumMicro: 0 }),
  sparse: outer('sparse', 0.032, { outerMomentumMicro: 0, keptLast: 1_024 }),
} satisfies Settings

/** For rounds of 15 steps on batches of 8 rows: the part `grid`. */
export const short = {
  machine: { rule: 'machine', rate: 0.016, beta2: 0.95 },
  'small-batches': { rule: 'small-batches', rate: 0.008, beta2: 0.95 },
  diloco: outer('diloco', 0.032, { outerMomentumMicro: 0 }),
  streaming: outer('streaming', 0.016, { outerMomentumMicro: 500_000 }),
  sparse: outer('sparse', 0.032, { outerMomentumMicro: 500_000 }),
} satisfies Settings

function outer<const rule extends Plan['rule']>(rule: rule, rate: number, terms: Plan['terms']) {
  return { rule, rate, beta2: 0.95, terms: { outerRateMicro: 1_000_000, ...terms } }
}
