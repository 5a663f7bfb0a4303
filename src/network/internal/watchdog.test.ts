import { describe, expect, test } from 'vitest'
import { virtualClock } from '../../runtime/virtualClock.ts'
import { watchdog } from './watchdog.ts'

describe('watchdog', () => {
  test('notices a wait that lasts too long, once', async () => {
    const { clock, at } = start()
    using dog = watchdog(clock, 100, at.push)
    dog.start()
    await clock.run(clock.now() + 1000)

    expect(at.times).toEqual([100])
  })

  test('counts from the last start, and not while nobody waits', async () => {
    const { clock, at } = start()
    using dog = watchdog(clock, 100, at.push)
    dog.start()
    await clock.run(clock.now() + 80)
    dog.start()
    await clock.run(clock.now() + 80)
    dog.rest()
    await clock.run(clock.now() + 500)
    expect(at.times).toEqual([])

    dog.start()
    await clock.run(clock.now() + 500)
    expect(at.times).toEqual([760])
  })

  test('is quiet when it is disposed of', async () => {
    const { clock, at } = start()
    const dog = watchdog(clock, 100, at.push)
    dog.start()
    dog[Symbol.dispose]()
    await clock.run(clock.now() + 500)

    expect(at.times).toEqual([])
  })
})

function start() {
  const clock = virtualClock()
  const begin = clock.now()
  const times: number[] = []
  return { clock, at: { times, push: () => void times.push(clock.now() - begin) } }
}
