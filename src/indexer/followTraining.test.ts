import { describe, expect, onTestFinished, test } from 'vitest'
import { trainingLog, trainingSpeaker, type TrainingLog } from '../../test/trainingLog.ts'
import { memoryNetwork } from '../network/memory.ts'
import * as Json from '../protocol/Json.ts'
import { seededRandom } from '../runtime/seededRandom.ts'
import { silentLogger } from '../runtime/silentLogger.ts'
import { virtualClock } from '../runtime/virtualClock.ts'
import { topic } from '../training/node/startLogSync.ts'
import type { Change } from './Api.ts'
import { followTraining } from './followTraining.ts'
import { openDatabase } from './openDatabase.ts'
import { readCurves, readTraining, readTrainings } from './tables/trainingTables.ts'

describe('followTraining', () => {
  test('comes late, fetches the order and the whole log, and follows from there', async () => {
    await using setup = await start()
    const story = await begin(domain, 'late')
    for (let round = 0; round < 3; round++) await story.round([0, 1, 2])
    await using speaker = setup.speaker(story)
    await speaker.tell()
    await setup.pass(2_000)
    expect(setup.view(story)?.run).toMatchObject({ round: 3, phase: 'round' })
    const before = setup.changes.length

    await story.round([0, 1, 2])
    await speaker.tell()
    await setup.pass(2_000)
    expect(setup.view(story)?.run).toMatchObject({ round: 4 })
    expect(setup.changes.slice(before)).toEqual([{ kind: 'training', id: story.log.run }])
    await speaker.tell()
    await setup.pass(2_000)
    expect(setup.changes).toHaveLength(before + 1)
  })

  test('asks no more about a run that is over, and lists what it knows, newest first', async () => {
    await using setup = await start()
    const old = await begin(domain, 'old', 1_000_000)
    for (let round = 0; round < 5; round++) await old.round([0, 1, 2])
    await old.end([0, 1, 2])
    const young = await begin(domain, 'young', 2_000_000)
    await using speakers = new AsyncDisposableStack()
    for (const story of [old, young]) await speakers.use(setup.speaker(story)).tell()
    await setup.pass(2_000)
    const ids = ({ show }: { show?: 'running' | 'ended' }) =>
      readTrainings(setup.database, { limit: 50, show }).rows.map(({ id }) => id)
    expect(ids({})).toEqual([young.log.run, old.log.run])
    expect(ids({ show: 'ended' })).toEqual([old.log.run])
    const [curve] = readCurves(setup.database, [old.log.run, `0x${'00'.repeat(32)}`])
    expect(curve?.points.map(({ round }) => round)).toEqual([0, 1, 2, 3, 4, 5])
    expect(curve!.points.at(-1)!.bytes).toBe(curve!.run.payloadBytes)
  })

  test('keeps nothing of another network, of strangers who make runs up, and of garbage', async () => {
    await using setup = await start()
    const foreign = await begin({ ...domain, chainId: 2 }, 'foreign')
    await using speaker = setup.speaker(foreign)
    await speaker.tell()
    const silent = await begin(domain, 'silent')
    const liar = setup.network.join('liar')
    const [batch] = silent.log.from(0, 1)
    await liar.publish(topic, Json.toBytes({ type: 'batch', batch }))
    await liar.publish(topic, Json.toBytes({ type: 'batch' }))
    await setup.pass(20_000)
    expect(readTrainings(setup.database, { limit: 50 }).rows).toEqual([])
  })

  test('makes room for a run only where nothing was heard of another for long', async () => {
    await using setup = await start({ runs: 1 })
    const [one, two] = [await begin(domain, 'one'), await begin(domain, 'two')]
    await using first = setup.speaker(one)
    await using second = setup.speaker(two)
    await first.tell()
    await setup.pass(2_000)
    await second.tell()
    await setup.pass(2_000)
    expect(setup.view(two)).toBeUndefined()
    await setup.pass(130_000)
    await second.tell()
    await setup.pass(2_000)
    expect(setup.view(two)?.run.id).toBe(two.log.run)
  })
})

const domain = { chainId: 1, vault: `0x${'11'.repeat(20)}` } as const

async function begin(
  of: typeof domain | { chainId: 2; vault: `0x${string}` },
  seed: string,
  now = 1_000_000,
) {
  const story = await trainingLog(of, { seed, now, order: { minWorkers: 3 } })
  for (const worker of [0, 1, 2]) await story.join(worker)
  return story
}

async function start(options: { runs?: number } = {}) {
  const clock = virtualClock({ start: 10_000_000 })
  const network = memoryNetwork({ clock, random: seededRandom(1) })
  const database = openDatabase(':memory:', 'test')
  const changes: Change[] = []
  const follower = followTraining(
    { network: network.join('explorer'), clock, logger: silentLogger(), database },
    { domain, messagesPerSecond: 500, onChange: (some) => void changes.push(...some), ...options },
  )
  let speakers = 0
  onTestFinished(() => database[Symbol.asyncDispose]())
  return {
    network,
    database,
    changes,
    view: ({ log }: TrainingLog) => readTraining(database, log.run),
    speaker: (story: TrainingLog) => trainingSpeaker(network.join(`speaker ${speakers++}`), story),
    pass: (ms: number) => clock.run(clock.now() + ms),
    async [Symbol.asyncDispose]() {
      const ended = follower[Symbol.asyncDispose]()
      await clock.run(clock.now() + 60_000)
      await ended
    },
  }
}
