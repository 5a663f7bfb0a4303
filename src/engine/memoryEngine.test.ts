import { describe, expect, test } from 'vitest'
import { systemClock } from '../runtime/systemClock.ts'
import { virtualClock } from '../runtime/virtualClock.ts'
import * as Hex from '../protocol/Hex.ts'
import { collect, drain, engineCompliance, requestOf } from './engineCompliance.ts'
import { memoryEngine } from './memoryEngine.ts'

describe('memoryEngine', () => {
  engineCompliance(
    async () => {
      const engine = memoryEngine({ clock: systemClock() }, { tokenMs: 1 })
      return { engine, prompt: 'The ', busy: engine.busy }
    },
    { tokenIds: true },
  )

  test('answers the same with equal weights and differently with others', async () => {
    const clock = systemClock()
    const [honest, copy, wrong] = ['a', 'a', 'b'].map((name) =>
      memoryEngine({ clock }, { models: [{ id: 'm', weights: Hex.sha256(name) }] }),
    )
    const request = requestOf({ engine: honest!, prompt: 'Hello' })
    const answer = await collect(honest!, request)
    expect(await collect(copy!, request)).toEqual(answer)
    expect((await collect(wrong!, request)).text).not.toBe(answer.text)
  })

  test('takes its time on the clock it is given', async () => {
    const clock = virtualClock()
    const engine = memoryEngine({ clock }, { tokenMs: 50 })
    const start = clock.now()
    const { signal } = new AbortController()
    let ended = 0
    const job = drain(
      engine.complete({ ...requestOf({ engine, prompt: 'Hello' }), maxTokens: 10 }, { signal }),
    ).then(() => (ended = clock.now()))
    await clock.run(start + 10_000)
    await job
    expect(ended - start).toBe(500)
  })

  test('refuses what does not fit into the context', async () => {
    const engine = memoryEngine({ clock: systemClock() }, { models: [{ contextTokens: 20 }] })
    const request = { ...requestOf({ engine, prompt: 'Hello, world' }), maxTokens: 18 }
    await expect(collect(engine, request)).rejects.toThrow('do not fit into the context')
  })
})
