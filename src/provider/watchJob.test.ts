import { describe, expect, test } from 'vitest'
import { virtualClock } from '../runtime/virtualClock.ts'
import { watchJob } from './watchJob.ts'

const limits = { stallTimeoutMs: 100, jobTimeoutMs: 1_000 }
const never = new Promise<never>(() => {})

describe('watchJob', () => {
  test('aborts when the engine is silent for too long, and does not blame the buyer', async () => {
    const clock = virtualClock()
    await using watch = watchJob({ clock, signals: [] }, limits)
    void watch.engine(never)
    await clock.run(clock.now() + 99)
    expect(watch.signal.aborted).toBe(false)
    await clock.run(clock.now() + 2)
    expect(watch.signal.reason).toMatchObject({ code: 'Provider.StalledError' })
    expect(watch.buyerIsGone(new AbortController().signal)).toBe(false)
  })

  test('blames the buyer when it is the one that does not move', async () => {
    const clock = virtualClock()
    await using watch = watchJob({ clock, signals: [] }, limits)
    await watch.engine(Promise.resolve(1))
    await clock.run(clock.now() + 101)
    expect(watch.signal.aborted).toBe(true)
    expect(watch.buyerIsGone(new AbortController().signal)).toBe(true)
  })

  test('lets a job go on that moves, until its time is over', async () => {
    const clock = virtualClock()
    await using watch = watchJob({ clock, signals: [] }, limits)
    for (let step = 0; step < 19; step++) {
      await clock.run(clock.now() + 50)
      await watch.engine(Promise.resolve(step))
      watch.moved()
      expect(watch.signal.aborted).toBe(false)
    }
    await clock.run(clock.now() + 51)
    expect(watch.signal.aborted).toBe(true)
  })

  test('passes on the signals it is given', async () => {
    const buyer = new AbortController()
    await using watch = watchJob({ clock: virtualClock(), signals: [buyer.signal] }, limits)
    buyer.abort()
    expect(watch.signal.aborted).toBe(true)
    expect(watch.buyerIsGone(buyer.signal)).toBe(true)
  })
})
