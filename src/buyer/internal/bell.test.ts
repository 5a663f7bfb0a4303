import { describe, expect, test } from 'vitest'
import { createBell } from './bell.ts'

describe('createBell', () => {
  test('wakes everybody who waits, once', async () => {
    const bell = createBell()
    const woken: number[] = []
    const waiting = [1, 2].map((number) => bell.next().then(() => woken.push(number)))
    bell.ring()
    await Promise.all(waiting)
    bell.ring()
    expect(woken).toEqual([1, 2])
  })

  test('lets go of who has stopped waiting', async () => {
    const bell = createBell()
    const controller = new AbortController()
    const waiting = bell.next(controller.signal)
    controller.abort(new Error('enough'))
    await expect(waiting).rejects.toThrow('enough')
    await expect(bell.next(controller.signal)).rejects.toThrow('enough')
    bell.ring()
  })
})
