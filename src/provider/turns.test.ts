import { describe, expect, test } from 'vitest'
import { createTurns } from './turns.ts'

describe('createTurns', () => {
  test('runs work under one key one after another, under two keys at once', async () => {
    const inTurn = createTurns()
    const log: string[] = []
    const gate = Promise.withResolvers<void>()
    const first = inTurn('a', async () => {
      log.push('a1 starts')
      await gate.promise
      log.push('a1 ends')
    })
    const second = inTurn('a', async () => void log.push('a2'))
    await inTurn('b', async () => void log.push('b'))
    gate.resolve()
    await Promise.all([first, second])
    expect(log).toEqual(['a1 starts', 'b', 'a1 ends', 'a2'])
  })

  test('goes on after work that fails', async () => {
    const inTurn = createTurns()
    const failed = inTurn('a', async () => {
      throw new Error('no')
    })
    const next = inTurn('a', async () => 'yes')
    await expect(failed).rejects.toThrow('no')
    expect(await next).toBe('yes')
  })
})
