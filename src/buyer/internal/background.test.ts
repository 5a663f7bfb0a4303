import { describe, expect, test } from 'vitest'
import { silentLogger } from '../../runtime/silentLogger.ts'
import { createBackground } from './background.ts'

describe('createBackground', () => {
  test('waits at its end for what runs, and starts nothing after it', async () => {
    const background = createBackground({ logger: silentLogger() })
    const seen: string[] = []
    background.run('first', async () => {
      await new Promise((resolve) => background.signal.addEventListener('abort', resolve))
      seen.push('ended')
    })
    await background[Symbol.asyncDispose]()
    background.run('late', async () => void seen.push('late'))
    expect(seen).toEqual(['ended'])
  })

  test('logs what fails, and goes on', async () => {
    const lines: unknown[] = []
    const logger = { ...silentLogger(), warn: (facts: unknown) => void lines.push(facts) }
    await using background = createBackground({ logger })
    background.run('broken', async () => {
      throw new Error('no')
    })
    await Promise.resolve()
    await Promise.resolve()
    expect(lines).toEqual([{ task: 'broken', code: 'Internal.UnknownError', reason: 'no' }])
  })
})
