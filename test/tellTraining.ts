/** Three runs of training, told to an explorer as their nodes tell them. */
import type { Clock } from '../src/runtime/Clock.ts'
import type { ExplorerWorld } from './explorerWorld.ts'
import { trainingLog, trainingSpeaker, type TrainingLog } from './trainingLog.ts'

export type ToldRuns = AsyncDisposable & {
  /** One that goes on. */
  readonly live: TrainingLog
  /** One that is over: worker 2 lied, worker 3 died on the way, worker 4 came late. */
  readonly over: TrainingLog
  /** Tells the newest batch of each. */
  tell(): Promise<void>
}

/** Leads the runs to where they are, and tells of them. */
export async function tellTraining(world: ExplorerWorld, clock: Clock): Promise<ToldRuns> {
  const before = (minutes: number) => clock.now() - minutes * 60_000
  const order = { minWorkers: 3, priceMicroUsd: 10n }
  const over = await trainingLog(world.domain, {
    seed: 'over',
    now: before(30),
    liar: 2,
    order: { ...order, rounds: 24, auditMicro: 250_000, roundMs: 12_000 },
  })
  for (const worker of [0, 1, 2, 3]) await over.join(worker)
  for (let round = 0; round < 24; round++) {
    if (round === 12) await over.join(4)
    await over.round(round < 7 ? [0, 1, 2, 3, 4] : [0, 1, 2, 4])
  }
  await over.end([0, 1, 2, 4])
  const led = async (seed: string, rounds: number, lossAt: (round: number) => number) => {
    const begun = { ...order, rounds: 40, auditMicro: 100_000 }
    const now = before(seed === 'live' ? 2 : 9)
    const run = await trainingLog(world.domain, { seed, now, lossAt, order: begun })
    for (const worker of [0, 1, 2]) await run.join(worker)
    for (let round = 0; round < rounds; round++) await run.round([0, 1, 2])
    return run
  }
  const slow = await led('slow', 30, (round) => 2.3 + 3.25 * Math.exp(-round / 13))
  const live = await led('live', 14, (round) => 1.7 + 3.85 * Math.exp(-round / 5))
  const stack = new AsyncDisposableStack()
  const speakers = [over, slow, live].map((run, at) =>
    stack.use(trainingSpeaker(world.network.join(`trainer ${at}`), run)),
  )
  const tell = async () => {
    for (const speaker of speakers) await speaker.tell()
  }
  await tell()
  return { live, over, tell, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}
