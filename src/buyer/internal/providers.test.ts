import { describe, expect, test } from 'vitest'
import { identityOf } from '../../../test/smallMarket.ts'
import { memoryStore } from '../../runtime/memoryStore.ts'
import { silentLogger } from '../../runtime/silentLogger.ts'
import { virtualClock } from '../../runtime/virtualClock.ts'
import { createBackground } from './background.ts'
import { createJournal } from './journal.ts'
import { openProviders } from './providers.ts'

const [a, b] = [identityOf(1).address, identityOf(2).address]

async function start(store = memoryStore()) {
  const clock = virtualClock()
  const background = createBackground({ logger: silentLogger() })
  const journal = createJournal({ store, clock, background })
  return { store, clock, providers: await openProviders({ journal, clock }) }
}

describe('openProviders', () => {
  test('remembers outcomes and exclusions across restarts', async () => {
    const { store, clock, providers } = await start()
    providers.record(a, 'delivered')
    providers.record(b, 'failed')
    await providers.exclude(b, { code: 'Rerun.OutputDiffers', message: 'Wrong.' })
    providers.record(b, 'delivered')
    await clock.run(clock.now() + 1_000)
    const { providers: later } = await start(store)
    expect(later.score(a)).toBeGreaterThan(later.score(b))
    expect(later.excluded(a)).toBeUndefined()
    expect(later.excluded(b)).toMatchObject({ code: 'Rerun.OutputDiffers' })
  })

  test('tells the part of the recent jobs that went to each', async () => {
    const { providers } = await start()
    expect(providers.share(a)).toBe(0)
    for (const each of [a, a, a, b]) providers.served(each)
    expect([providers.share(a), providers.share(b)]).toEqual([0.75, 0.25])
    for (let job = 0; job < 200; job++) providers.served(b)
    expect(providers.share(a)).toBe(0)
  })

  test('smooths latencies', async () => {
    const { providers } = await start()
    expect(providers.latencyMs(a)).toBeUndefined()
    providers.measured(a, 100)
    providers.measured(a, 200)
    expect(providers.latencyMs(a)).toBeCloseTo(120)
  })
})
