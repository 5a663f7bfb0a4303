import { describe, expect, test } from 'vitest'
import { semaphore } from './Semaphore.ts'

describe('semaphore', () => {
  test('lets in as many as it has places, the others in the order of their coming', async () => {
    const places = semaphore(2)
    const first = await places.take()
    await places.take()
    const entered: string[] = []
    const third = places.take().then((place) => (entered.push('third'), place))
    const fourth = places.take().then(() => entered.push('fourth'))
    expect([places.taken(), places.waiting()]).toEqual([2, 2])
    await first[Symbol.asyncDispose]()
    const place = await third
    expect(entered).toEqual(['third'])
    await place[Symbol.asyncDispose]()
    await fourth
    expect([places.taken(), places.waiting()]).toEqual([2, 0])
  })

  test('lets who waits go away, and does not hold a place for it', async () => {
    const places = semaphore(1)
    const held = await places.take()
    const controller = new AbortController()
    const gone = places.take(controller.signal)
    const next = places.take()
    controller.abort(new Error('gone'))
    await expect(gone).rejects.toThrow('gone')
    expect(places.waiting()).toBe(1)
    await held[Symbol.asyncDispose]()
    await (await next)[Symbol.asyncDispose]()
    expect(places.taken()).toBe(0)
    await expect(places.take(controller.signal)).rejects.toThrow('gone')
    expect(places.taken()).toBe(0)
  })
})
