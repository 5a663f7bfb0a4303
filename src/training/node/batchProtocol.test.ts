import { describe, expect, test } from 'vitest'
import { runUntilDone } from '../../../test/runUntilDone.ts'
import { trainingLog, type TrainingLog } from '../../../test/trainingLog.ts'
import { memoryNetwork } from '../../network/memory.ts'
import * as Hex from '../../protocol/Hex.ts'
import { seededRandom } from '../../runtime/seededRandom.ts'
import { virtualClock } from '../../runtime/virtualClock.ts'
import { fetchBatches, fetchPage, serveBatches } from './batchProtocol.ts'

const domain = { chainId: 1, vault: `0x${'11'.repeat(20)}` } as const

describe('fetchBatches', () => {
  test('fetches the whole log, page by page', async () => {
    const { log, world } = await begin()
    const batches = await world.fetch({ from: 0, previous: log.run })
    expect(batches).toEqual(log.from(0, Infinity))
    expect(batches.length).toBeGreaterThan(32)
    expect(await world.fetch({ from: 0, previous: log.run, most: 1 })).toHaveLength(32)
  })

  test('takes nothing that does not follow, and nothing of another run', async () => {
    const { log, world } = await begin()
    expect(await world.fetch({ from: 3, previous: log.run })).toEqual([])
    expect(await world.fetch({ from: 0, previous: Hex.zero, run: Hex.zero })).toEqual([])
    expect(await world.fetch({ from: 1_000_000, previous: undefined })).toEqual([])
  })
})

describe('fetchPage', () => {
  test('gives the last batch alone', async () => {
    const { log, world } = await begin()
    const { sequence } = log.head()
    expect(await world.page(sequence)).toEqual(log.from(sequence))
  })
})

/** A log of more than a page, and somebody who asks for it. */
async function begin(): Promise<{ log: TrainingLog['log']; world: ReturnType<typeof worldOf> }> {
  const story = await trainingLog(domain, { seed: 'pages', now: 1_000_000, order: { rounds: 20 } })
  for (const worker of [0, 1, 2]) await story.join(worker)
  for (let round = 0; round < 12; round++) await story.round([0, 1, 2])
  return { log: story.log, world: worldOf(story) }
}

function worldOf({ log }: TrainingLog) {
  const clock = virtualClock()
  const network = memoryNetwork({ clock, random: seededRandom(1) })
  serveBatches({ network: network.join('server') }, log)
  const ports = { network: network.join('asker') }
  const place = { peer: 'server', run: log.run }
  return {
    fetch: (options: Omit<fetchBatches.Options, 'peer' | 'run'> & { run?: Hex.Hex }) =>
      runUntilDone(clock, fetchBatches(ports, { ...place, ...options })),
    page: (from: number) => runUntilDone(clock, fetchPage(ports, { ...place, from })),
  }
}
