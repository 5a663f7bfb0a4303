import { trainingOrder } from '../../test/trainingOrder.ts'
import type { Backend } from '../../src/exact/index.ts'
import type { Bench, Figures } from '../Bench.ts'
import { table } from '../table.ts'
import { type Lie, lies, runWithLiars } from './runWithLiars.ts'

/** Of eight workers of whom nobody can run anything again none, two or three lie; half of the rounds are scored. */
export async function scores({ say }: Bench.Ports, backend: Backend): Promise<Figures> {
  const rows: string[][] = []
  const gaps: number[] = []
  const waits: number[] = []
  let [accused, unfound, paid, unpaid, doubt] = [0, 0, 0n, 0, 0]
  for (const { rule, seed, liars } of cases) {
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
    doubt = Math.max(doubt, honest.honestDoubt)
    say(`${rule}, seed ${seed}: ${honest.loss.toFixed(4)} without liars`)
    for (const lie of told) {
      const result = await runWithLiars(backend, { ...plan, liars, lie })
      const gap = result.loss / honest.loss - 1
      const found = result.roundsUntilFound.filter((each) => each < Infinity)
      gaps.push(gap)
      waits.push(...found)
      accused += result.honestAccused
      unpaid += result.honestUnpaid
      doubt = Math.max(doubt, result.honestDoubt)
      unfound += result.roundsUntilFound.length - found.length
      paid += result.liarsPaidMicroUsd
      const row = [
        rule,
        `${seed}`,
        `${liars}`,
        lie,
        result.loss.toFixed(4),
        `${(100 * gap).toFixed(2)} %`,
      ]
      const last = [
        `${result.liarsPaidMicroUsd}`,
        result.honestDoubt.toFixed(1),
        `${result.honestAccused}`,
      ]
      rows.push([...row, result.roundsUntilFound.join(', '), ...last])
      say(rows.at(-1)!.join('  '))
    }
  }
  const head = ['rule', 'seed', 'liars', 'lie', 'loss', 'gap', 'rounds until found']
  say(table([...head, 'liars paid', 'doubt of honest', 'accused'], rows))
  return {
    scoredLossGap: Math.max(...gaps),
    scoredUnfound: unfound,
    scoredHonestAccused: accused,
    scoredHonestUnpaid: unpaid,
    scoredHonestDoubt: doubt,
    meanRoundsUntilScoredOut: waits.reduce((sum, each) => sum + each, 0) / waits.length,
    scoredLiarsPaidMicroUsd: Number(paid),
  }
}

const told: readonly Lie[] = [...lies, 'lazy']
const cases = [
  { rule: 'sparse', seed: 1, liars: 2 },
  { rule: 'sparse', seed: 2, liars: 2 },
  { rule: 'sparse', seed: 3, liars: 3 },
  { rule: 'diloco', seed: 1, liars: 2 },
] as const
