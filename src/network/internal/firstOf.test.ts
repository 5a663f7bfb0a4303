import { describe, expect, test } from 'vitest'
import { virtualClock } from '../../runtime/virtualClock.ts'
import { firstOf } from './firstOf.ts'

const never = new AbortController().signal

describe('firstOf', () => {
  test('asks the next only when the last failed or takes long, and stops who is slower', async () => {
    const clock = virtualClock()
    const [asked, stopped] = [[] as string[], [] as string[]]
    const attempt = async (ms: number, signal: AbortSignal) => {
      asked.push(`${ms} ${clock.now()}`)
      if (ms === 0) throw new Error('gone')
      await clock.sleep(ms, { signal }).catch((error: unknown) => {
        stopped.push(`${ms}`)
        throw error
      })
      return ms
    }
    const begin = clock.now()
    const answer = firstOf(clock, [0, 5_000, 300, 1], attempt, { staggerMs: 1_000, signal: never })
    await clock.run(begin + 10_000)
    expect(await answer).toEqual({ value: 300 })
    expect(asked).toEqual([`0 ${begin}`, `5000 ${begin}`, `300 ${begin + 1_000}`])
    expect(stopped).toEqual(['5000'])
  })

  test('says when all have failed', async () => {
    const attempt = () => Promise.reject(new Error('no'))
    const options = { staggerMs: 1, signal: never }
    expect(await firstOf(virtualClock(), [1, 2], attempt, options)).toBeUndefined()
    expect(await firstOf(virtualClock(), [], attempt, options)).toBeUndefined()
  })

  test('stops with its signal', async () => {
    const clock = virtualClock()
    const stop = new AbortController()
    const attempt = (_: number, signal: AbortSignal) => clock.sleep(60_000, { signal })
    const asked = firstOf(clock, [1, 2], attempt, { staggerMs: 10, signal: stop.signal })
    const reason = new Error('enough')
    stop.abort(reason)
    await expect(asked).rejects.toBe(reason)
  })
})
