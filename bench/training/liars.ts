import { trainingOrder } from '../../test/trainingOrder.ts'
import type { Backend } from '../../src/exact/index.ts'
import type { Bench, Figures } from '../Bench.ts'
import { table } from '../table.ts'
import { lies, runWithLiars } from './runWithLiars.ts'

/** Of eight workers none, one, two or three lie, each in all the ways there are; a fifth of contributions is audited. */
export async function liars({ say }: Bench.Ports, backend: Backend): Promise<Figures> {
  const rate = 0.016
  const buyer = `0x${'11'.repeat(20)}` as const
  const order = trainingOrder({
    buyer,
    rounds: 60,
    steps: 5,
    minWorkers: 8,
    keptLast: 256,
    outerRateMicro: 1_000_000,
    outerMomentumMicro: 500_000,
    auditMicro: auditShare * 1e6,
    seed0: 1,
    seed1: 0,
  })
  const honest = await runWithLiars(backend, { order, rate, liars: 0, lie: 'noise' })
  say(`${honest.loss.toFixed(4)} without liars`)
  const rows: string[][] = []
  let [worst, accused, unfound, paid] = [-Infinity, honest.honestAccused, 0, 0n]
  const waits: number[] = []
  for (const lie of lies)
    for (const count of [1, 2, 3]) {
      const result = await runWithLiars(backend, { order, rate, liars: count, lie })
      const gap = result.loss / honest.loss - 1
      worst = Math.max(worst, gap)
      accused += result.honestAccused
      unfound += result.roundsUntilFound.filter((each) => each === Infinity).length
      paid += result.liarsPaidMicroUsd
      waits.push(...result.roundsUntilFound.filter((each) => each < Infinity))
      const found = result.roundsUntilFound.join(', ')
      const row = [lie, `${count}`, result.loss.toFixed(4), `${(100 * gap).toFixed(2)} %`, found]
      const rounds = result.liarsPaidMicroUsd / (BigInt(order.steps) * order.priceMicroUsd)
      rows.push([...row, `${rounds}`, `${result.honestAccused}`])
      say(row.join('  '))
    }
  say(table(['lie', 'liars', 'loss', 'gap', 'rounds until found', 'rounds paid', 'accused'], rows))
  return {
    liarLossGap: worst,
    liarsUnfound: unfound,
    honestAccused: accused,
    meanRoundsUntilFound: waits.reduce((sum, each) => sum + each, 0) / waits.length,
    liarsPaidMicroUsd: Number(paid),
  }
}

const auditShare = 0.2
