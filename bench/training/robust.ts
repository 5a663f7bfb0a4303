import { trainingOrder } from '../../test/trainingOrder.ts'
import type { Backend } from '../../src/exact/index.ts'
import { aggregations } from '../../src/protocol/training/TrainingOrder.ts'
import type { Bench, Figures } from '../Bench.ts'
import { table } from '../table.ts'
import { type Lie, runWithLiars } from './runWithLiars.ts'

/** The ways of aggregation alone against liars: no audits, dense updates, eight workers. */
export async function robust({ say }: Bench.Ports, backend: Backend): Promise<Figures> {
  const rows: string[][] = []
  for (const aggregation of aggregations) {
    const order = trainingOrder({
      buyer: `0x${'11'.repeat(20)}`,
      rule: 'diloco',
      aggregation,
      toleratedMicro: 375_000,
      rounds: 60,
      steps: 5,
      minWorkers: 8,
      outerRateMicro: 1_000_000,
      outerMomentumMicro: 500_000,
      seed0: 1,
      seed1: 0,
    })
    const losses: string[] = []
    for (const { liars, lie } of cases) {
      const { loss } = await runWithLiars(backend, { order, rate: 0.016, liars, lie })
      losses.push(loss.toFixed(3))
    }
    rows.push([aggregation, ...losses])
  }
  say(table(['aggregation', ...cases.map(({ liars, lie }) => `${liars} ${lie}`)], rows))
  return {}
}

const cases: readonly { liars: number; lie: Lie }[] = [
  { liars: 0, lie: 'noise' },
  { liars: 2, lie: 'noise' },
  { liars: 2, lie: 'sign-flipped' },
  { liars: 2, lie: 'scaled' },
  { liars: 3, lie: 'sign-flipped' },
]
