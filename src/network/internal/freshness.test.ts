import { describe, expect, test } from 'vitest'
import { virtualClock } from '../../runtime/virtualClock.ts'
import { freshness } from './freshness.ts'

const hour = 3_600_000

describe('freshness', () => {
  test('takes messages in any order within a minute', () => {
    const clock = virtualClock()
    const fresh = freshness(clock)

    expect([0, 30_000, -25_000, 5_000].map((ms) => fresh('a', clock.now() + ms))).toEqual([
      true,
      true,
      true,
      true,
    ])
  })

  test('refuses what is older than its author has been', async () => {
    const clock = virtualClock()
    const fresh = freshness(clock)
    const old = clock.now()
    expect(fresh('a', old)).toBe(true)
    await clock.run(clock.now() + hour)
    expect(fresh('a', clock.now())).toBe(true)

    expect(fresh('a', old)).toBe(false)
    expect(fresh('b', old)).toBe(true)
  })

  test('takes the word of authors whose clock is wrong, and of those who set it right', () => {
    const clock = virtualClock()
    const fresh = freshness(clock)

    expect(fresh('behind', clock.now() - 10 * hour)).toBe(true)
    expect(fresh('behind', clock.now() - 10 * hour + 1000)).toBe(true)
    expect(fresh('ahead', clock.now() + 10 * hour)).toBe(true)
    expect(fresh('ahead', clock.now())).toBe(true)
    expect(fresh('ahead', clock.now() + 1)).toBe(true)
  })
})
