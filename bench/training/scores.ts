import { trainingOrder } from '../../test/trainingOrder.ts'
import type { Backend } from '../../src/exact/index.ts'
import type { Bench, Figures } from '../Bench.ts'
import { table } from '../table.ts'
import { lies, runWithLiars } from './runWithLiars.ts'

/** Of eight workers of whom nobody can run anything again none or two lie; half of the rounds are scored. */
export async function scores({ say }: Bench.Ports, backend: Backend): Promise<Figures> {
  const rows: string[][] = []
  const gaps: number[] = []
  const waits: number[] = []
  let [accused, unfound, paid, unpaid] = [0, 0, 0n, 0]
  for (const { rule, seed } of cases) {
    const order = trainingOrder({
      buyer: `0x${'11'.repeat(20)}`,
      trainer: 'any',
      rule,
      rounds: 60,
      steps: 5,
      minWorkers: 8,
      keptLast: 256,
      outerRateMicro: 1_000_000,
      outerMomentumMicro: 500_000,
      auditMicro: 500_000,
      seed0: seed,
      seed1: 0,
    })
    const plan = { order, rate: 0.016 }
    const honest = await runWithLiars(backend, { ...plan, liars: 0, lie: 'noise' })
    accused += honest.honestAccused
    unpaid += honest.honestUnpaid
    say(`${rule}, seed ${seed}: ${honest.loss.toFixed(4)} without liars`)
    for (const lie of lies) {
      const result = await runWithLiars(backend, { ...plan, liars: 2, lie })
      const gap = result.loss / honest.loss - 1
      const found = result.roundsUntilFound.filter((each) => each < Infinity)
      gaps.push(gap)
      waits.push(...found)
      accused += result.honestAccused
      unpaid += result.honestUnpaid
      unfound += result.roundsUntilFound.length - found.length
      paid += result.liarsPaidMicroUsd
      const row = [rule, `${seed}`, lie, result.loss.toFixed(4), `${(100 * gap).toFixed(2)} %`]
      const last = [
        `${result.liarsPaidMicroUsd}`,
        `${result.honestUnpaid}`,
        `${result.honestAccused}`,
      ]
      rows.push([...row, result.roundsUntilFound.join(', '), ...last])
      say(rows.at(-1)!.join('  '))
    }
  }
  const head = ['rule', 'seed', 'lie', 'loss', 'gap', 'rounds until found']
  say(table([...head, 'liars paid', 'honest unpaid', 'accused'], rows))
  return {
    scoredLossGap: Math.max(...gaps),
    scoredUnfound: unfound,
    scoredHonestAccused: accused,
    scoredHonestUnpaid: unpaid,
    meanRoundsUntilScoredOut: waits.reduce((sum, each) => sum + each, 0) / waits.length,
    scoredLiarsPaidMicroUsd: Number(paid),
  }
}

const cases = [
  { rule: 'sparse', seed: 1 },
  { rule: 'sparse', seed: 2 },
  { rule: 'sparse', seed: 3 },
  { rule: 'diloco', seed: 1 },
] as const
