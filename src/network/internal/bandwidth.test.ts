import { describe, expect, test } from 'vitest'
import { virtualClock } from '../../runtime/virtualClock.ts'
import { bandwidth } from './bandwidth.ts'

describe('bandwidth', () => {
  test('lets nobody wait without a limit', async () => {
    const { isLimited, take } = bandwidth(virtualClock(), undefined)
    await take(1e12)
    expect(isLimited).toBe(false)
  })

  test('moves no more than its rate, first come first served', async () => {
    const clock = virtualClock()
    const start = clock.now()
    const { take } = bandwidth(clock, 1_000)
    const done: string[] = []
    const note = (name: string) => () => void done.push(`${name} ${clock.now() - start}`)
    const all = [
      take(600).then(note('a')),
      take(500).then(note('b')),
      take(1_000).then(note('c')),
      take(1).then(note('d')),
    ]
    await clock.run(start + 3_000)
    await Promise.all(all)
    expect(done).toEqual(['a 0', 'b 500', 'c 1000', 'd 2000'])
  })

  test('saves up a tenth of a second, and no more', async () => {
    const clock = virtualClock()
    const { take } = bandwidth(clock, 1_000)
    await take(100)
    await clock.run(clock.now() + 60_000)
    await take(100)
    let done = false
    const last = take(1).then(() => (done = true))
    expect(done).toBe(false)
    await last
    expect(done).toBe(true)
  })

  test('stops waiting with the signal', async () => {
    const clock = virtualClock()
    const { take } = bandwidth(clock, 1)
    await take(1_000)
    const stop = new AbortController()
    const waiting = take(1, { signal: stop.signal })
    const reason = new Error('enough')
    stop.abort(reason)
    await expect(waiting).rejects.toBe(reason)
  })
})
