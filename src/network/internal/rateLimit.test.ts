import { describe, expect, test } from 'vitest'
import { virtualClock } from '../../runtime/virtualClock.ts'
import { rateLimit } from './rateLimit.ts'

describe('rateLimit', () => {
  test('allows a burst, then so many a second', async () => {
    const clock = virtualClock()
    const allowed = rateLimit(clock, { perSecond: 10, burst: 5 })
    const count = (tries: number) =>
      Array.from({ length: tries }, () => allowed('a')).filter(Boolean).length

    expect(count(20)).toBe(5)
    await clock.run(clock.now() + 300)
    expect(count(20)).toBe(3)
    await clock.run(clock.now() + 60_000)
    expect(count(20)).toBe(5)
  })

  test('keeps names apart', () => {
    const allowed = rateLimit(virtualClock(), { perSecond: 1, burst: 1 })

    expect([allowed('a'), allowed('a'), allowed('b'), allowed('b')]).toEqual([
      true,
      false,
      true,
      false,
    ])
  })

  test('forgets who was silent longest when there are too many names', () => {
    const allowed = rateLimit(virtualClock(), { perSecond: 1, burst: 1 })
    allowed('first')
    for (let i = 0; i < 4096; i++) allowed(`name ${i}`)

    expect(allowed('first')).toBe(true)
    expect(allowed('name 4095')).toBe(false)
  })
})
