import { describe, expect, test } from 'vitest'
import { clockCompliance } from './compliance.ts'
import { virtualClock } from './virtualClock.ts'

describe('virtualClock', () => {
  clockCompliance(() => {
    const clock = virtualClock()
    return { clock, elapse: (ms) => clock.run(clock.now() + ms) }
  })

  test('stands still until it runs', async () => {
    const clock = virtualClock({ start: 5 })
    expect(clock.now()).toBe(5)
    await clock.run(12)
    expect(clock.now()).toBe(12)
  })

  test('fires ties in the order they were set, and calls back after each', async () => {
    const clock = virtualClock({ start: 0 })
    const trace: string[] = []
    for (const name of ['a', 'b', 'c']) clock.at(10, () => trace.push(name))
    clock.at(5, () => clock.at(5, () => trace.push('d')))
    await clock.run(100, () => trace.push(`@${clock.now()}`))
    expect(trace).toEqual(['@5', 'a', '@10', 'b', '@10', 'c', '@10', 'd', '@10'])
  })

  test('runs promise chains to their end before the next event', async () => {
    const clock = virtualClock({ start: 0 })
    const trace: number[] = []
    clock.at(1, () => void chain(50).then(() => trace.push(clock.now())))
    clock.at(2, () => trace.push(clock.now()))
    await clock.run(10)
    expect(trace).toEqual([1, 2])
  })

  test('forgets a sleep that was aborted', async () => {
    const clock = virtualClock({ start: 0 })
    const controller = new AbortController()
    const sleep = clock.sleep(10, { signal: controller.signal })
    controller.abort(new Error('stop'))
    await expect(sleep).rejects.toThrow('stop')
    let events = 0
    await clock.run(20, () => events++)
    expect(events).toBe(0)
  })

  test('keeps thousands of timers in order', async () => {
    const clock = virtualClock({ start: 0 })
    const fired: number[] = []
    for (let i = 0; i < 2000; i++) {
      const at = (i * 7919) % 1000
      clock.at(at, () => fired.push(at))
    }
    await clock.run(1000)
    expect(fired).toEqual(fired.toSorted((a, b) => a - b))
    expect(fired).toHaveLength(2000)
  })
})

async function chain(depth: number): Promise<void> {
  for (let i = 0; i < depth; i++) await Promise.resolve()
}
