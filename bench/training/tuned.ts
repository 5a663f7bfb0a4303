import type { Plan } from './course.ts'

/** The best settings of each rule among those of the part `grid`. */
export const tuned = {
  machine: { rule: 'machine', rate: 0.016, beta2: 0.95 },
  'small-batches': { rule: 'small-batches', rate: 0.008, beta2: 0.95 },
  diloco: outer('diloco', 0.032, 1_000_000, 0),
  streaming: outer('streaming', 0.016, 1_000_000, 500_000),
  sparse: outer('sparse', 0.032, 1_000_000, 500_000),
} satisfies Record<string, Pick<Plan, 'rule' | 'rate' | 'beta2' | 'terms'>>

function outer<const rule extends Plan['rule']>(
  rule: rule,
  rate: number,
  outerRateMicro: number,
  outerMomentumMicro: number,
) {
  return { rule, rate, beta2: 0.95, terms: { outerRateMicro, outerMomentumMicro } }
}
