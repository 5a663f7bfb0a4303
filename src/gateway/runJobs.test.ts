import { describe, expect, test } from 'vitest'
import type * as Completion from '../protocol/Completion.ts'
import { memoryStore } from '../runtime/memoryStore.ts'
import { silentLogger } from '../runtime/silentLogger.ts'
import { systemClock } from '../runtime/systemClock.ts'
import type { ApiKey } from './keys.ts'
import { defaultModel, memoryBuyer } from './memoryBuyer.ts'
import { ceiling, runJobs } from './runJobs.ts'
import { startSpending } from './startSpending.ts'

const key: ApiKey = {
  id: '00112233aabbccdd',
  name: 'test',
  prefix: 'weft-sk-abc',
  capMicroUsd: 10_000n,
  operator: false,
  concurrency: 100,
  requestsPerMinute: 1000,
  createdAt: 0,
}

const request = (prompt: string): Completion.Request => ({
  model: defaultModel.id,
  input: { kind: 'text', prompt },
  maxTokens: 2,
  temperatureMicro: 0,
  topPMicro: 1_000_000,
  seed: 1,
  stop: [],
  logprobs: 0,
})

async function setup(options: memoryBuyer.Options = {}) {
  const ports = { store: memoryStore(), clock: systemClock(), logger: silentLogger() }
  const buyer = memoryBuyer(ports, options)
  return { buyer, spending: await startSpending({ ...ports, buyer }) }
}

describe('runJobs', () => {
  test('tells the buyer the most a job may cost', async () => {
    const seen: (bigint | undefined)[] = []
    const ports = await setup({ fail: (_, at, most) => void (at === 'start' && seen.push(most)) })
    const { signal } = new AbortController()
    const requests = [request('a b')]
    for await (const _ of runJobs(ports, { key, model: defaultModel, requests, signal }));
    expect(seen).toEqual([2152n])
  })

  test('sends nothing when not all of its jobs fit under the cap', async () => {
    const ports = await setup()
    const { signal } = new AbortController()
    const requests = Array.from({ length: 60 }, () => request('a b'))
    const run = Array.fromAsync(runJobs(ports, { key, model: defaultModel, requests, signal }))
    await expect(run).rejects.toMatchObject({ code: 'Gateway.HeldError' })
    expect(await ports.buyer.jobs()).toEqual([])
    expect(await ports.spending.account(key)).toMatchObject({ reservedMicroUsd: 0n })
  })

  test('fails as a whole when one of its jobs fails, and holds nothing back', async () => {
    const ports = await setup({
      deltaMs: 1,
      fail: ({ input }, at) =>
        input.kind === 'text' && input.prompt === 'bad x' && at === 1
          ? new Error('broken')
          : undefined,
    })
    const controller = new AbortController()
    const requests = [request('a b'), request('bad x'), request('c d')]
    const run = runJobs(ports, { key, model: defaultModel, requests, signal: controller.signal })
    await expect(Array.fromAsync(run)).rejects.toThrow('broken')
    controller.abort()
    await expect.poll(() => ports.spending.account(key)).toMatchObject({ reservedMicroUsd: 0n })
  })
})

describe('ceiling', () => {
  test('counts a token a byte, and what a chat template may add', () => {
    const chat: Completion.Request = {
      ...request(''),
      input: {
        kind: 'chat',
        messages: [
          { role: 'system', content: 'é' },
          { role: 'user', content: 'ab' },
        ],
      },
    }
    const { atLeastMicroUsd, atMostMicroUsd } = ceiling(chat, defaultModel)
    expect(atLeastMicroUsd).toBe(BigInt((2 + 2 + 256 + 2 * 32) * 2 + 2 * 10))
    expect(atMostMicroUsd).toBe(atLeastMicroUsd * 4n)
  })

  test('keeps to what the client allows', () => {
    expect(ceiling(request('a b'), defaultModel, 600n).atMostMicroUsd).toBe(600n)
    expect(() => ceiling(request('a b'), defaultModel, 537n)).toThrow('could cost more')
  })
})
