import { describe, expect, test } from 'vitest'
import { every, joinSignals } from './Clock.ts'
import { virtualClock } from './virtualClock.ts'

describe('every', () => {
  test('runs at once and after each interval until it is aborted', async () => {
    const clock = virtualClock({ start: 0 })
    const controller = new AbortController()
    const ran: number[] = []
    const options = { signal: controller.signal, onError: () => {} }
    const loop = every(clock, 10, () => void ran.push(clock.now()), options)
    await clock.run(25)
    controller.abort()
    await loop
    await clock.run(100)
    expect(ran).toEqual([0, 10, 20])
  })

  test('goes on after a task that throws, and says so', async () => {
    const clock = virtualClock({ start: 0 })
    const controller = new AbortController()
    const errors: unknown[] = []
    const task = () => {
      throw new Error('no')
    }
    const options = {
      signal: controller.signal,
      onError: (error: unknown) => void errors.push(error),
    }
    const loop = every(clock, 10, task, options)
    await clock.run(15)
    controller.abort()
    await loop
    expect(errors).toHaveLength(2)
  })

  test('does nothing when it has been aborted already', async () => {
    const options = { signal: AbortSignal.abort(), onError: () => {} }
    let ran = 0
    await every(virtualClock(), 10, () => void ran++, options)
    expect(ran).toBe(0)
  })
})

describe('joinSignals', () => {
  test('is aborted with the first, for its reason', () => {
    const [a, b] = [new AbortController(), new AbortController()]
    using joined = joinSignals(a.signal, undefined, b.signal)
    expect(joined.signal.aborted).toBe(false)
    b.abort('b')
    a.abort('a')
    expect(joined.signal.reason).toBe('b')
  })

  test('is aborted from the start when one of them is', () => {
    const { signal } = new AbortController()
    using joined = joinSignals(signal, AbortSignal.abort('before'))
    expect(joined.signal.reason).toBe('before')
  })

  test('hears nothing once it is disposed of', () => {
    const controller = new AbortController()
    const joined = joinSignals(controller.signal)
    joined[Symbol.dispose]()
    controller.abort('late')
    expect(joined.signal.aborted).toBe(false)
  })
})
