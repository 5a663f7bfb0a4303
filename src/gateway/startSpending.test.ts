import { describe, expect, test } from 'vitest'
import type { JobRecord } from '../buyer/Buyer.ts'
import type * as Completion from '../protocol/Completion.ts'
import * as Hex from '../protocol/Hex.ts'
import { memoryStore } from '../runtime/memoryStore.ts'
import { silentLogger } from '../runtime/silentLogger.ts'
import { WriteError, type Store } from '../runtime/Store.ts'
import { systemClock } from '../runtime/systemClock.ts'
import type { ApiKey } from './keys.ts'
import { defaultModel, memoryBuyer } from './memoryBuyer.ts'
import { runJobs } from './runJobs.ts'
import { readAccount, startSpending } from './startSpending.ts'

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

const request: Completion.Request = {
  model: defaultModel.id,
  input: { kind: 'text', prompt: 'a b' },
  maxTokens: 2,
  temperatureMicro: 0,
  topPMicro: 1_000_000,
  seed: 1,
  stop: [],
  logprobs: 0,
}

/** One machine: a store and buyer's records that outlive the process. */
function machine(judge?: memoryBuyer.Options['judge'], store: Store = memoryStore()) {
  const records = new Map<Hex.Hex, JobRecord>()
  const ports = { store, clock: systemClock(), logger: silentLogger() }
  return {
    store,
    records,
    async start(options: startSpending.Options = {}) {
      const buyer = memoryBuyer(ports, { records, judge })
      return { buyer, spending: await startSpending({ ...ports, buyer }, options) }
    },
  }
}

async function buy(ports: Awaited<ReturnType<ReturnType<typeof machine>['start']>>) {
  const { signal } = new AbortController()
  const events = runJobs(ports, { key, model: defaultModel, requests: [request], signal })
  return await Array.fromAsync(events)
}

describe('reserve', () => {
  test('never lets requests side by side pass the cap together', async () => {
    const { spending } = await machine().start()
    const amount = { atLeastMicroUsd: 3000n, atMostMicroUsd: 3000n }
    const tries = await Promise.allSettled(
      Array.from({ length: 10 }, () => spending.reserve(key, amount)),
    )
    expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(3)
    expect(await spending.account(key)).toMatchObject({ availableMicroUsd: 1000n })
  })

  test('takes more than the least while there is plenty, and gives it back', async () => {
    const { spending } = await machine().start()
    const plenty = await spending.reserve(key, { atLeastMicroUsd: 50n, atMostMicroUsd: 200n })
    expect(plenty.amountMicroUsd).toBe(200n)
    plenty.release()
    const first = await spending.reserve(key, { atLeastMicroUsd: 9900n, atMostMicroUsd: 36_000n })
    expect(first.amountMicroUsd).toBe(9900n)
    const held = spending.reserve(key, { atLeastMicroUsd: 101n, atMostMicroUsd: 101n })
    await expect(held).rejects.toMatchObject({ code: 'Gateway.HeldError' })
    first.release()
    first.release()
    expect(await spending.account(key)).toMatchObject({ reservedMicroUsd: 0n })
    const dear = spending.reserve(key, { atLeastMicroUsd: 10_001n, atMostMicroUsd: 10_001n })
    await expect(dear).rejects.toMatchObject({ code: 'Gateway.CapError' })
  })

  test('holds one job', async () => {
    const { spending } = await machine().start()
    const one = await spending.reserve(key, { atLeastMicroUsd: 1n, atMostMicroUsd: 1n })
    await one.attach(Hex.sha256('1'))
    await expect(one.attach(Hex.sha256('2'))).rejects.toThrow('one job')
  })

  test('stops when too many jobs wait for their last word', async () => {
    const { spending } = await machine().start({ openLimit: 2 })
    const amount = { atLeastMicroUsd: 1n, atMostMicroUsd: 1n }
    await spending.reserve(key, amount)
    await spending.reserve(key, amount)
    const third = spending.reserve(key, amount)
    await expect(third).rejects.toMatchObject({ code: 'Gateway.BacklogError' })
  })
})

describe('a job that is paid', () => {
  test('is charged at its price, and known to its key', async () => {
    const at = machine()
    const running = await at.start()
    const events = await buy(running)
    expect(await running.spending.account(key)).toMatchObject({
      spentMicroUsd: 24n,
      reservedMicroUsd: 0n,
    })
    await running.spending[Symbol.asyncDispose]()
    expect(running.spending.chargedMicroUsd).toBe(24n)
    expect(await readAccount(at, key)).toMatchObject({ spentMicroUsd: 24n, reservedMicroUsd: 0n })
    expect(await at.store.list('gateway-open')).toEqual([])
    const start = events[0]!.event
    if (start.type !== 'completion-start') throw new Error('no start')
    expect(await running.spending.owns(key, start.job)).toBe(true)
    expect(await running.spending.owns({ ...key, id: 'other' }, start.job)).toBe(false)
  })

  test('adds up over many jobs and a restart', async () => {
    const at = machine()
    const first = await at.start()
    await Promise.all([buy(first), buy(first), buy(first)])
    await first.spending[Symbol.asyncDispose]()
    const { spending } = await at.start()
    expect(await spending.account(key)).toMatchObject({ spentMicroUsd: 72n })
  })
})

describe('a job that is refunded', () => {
  test('costs nothing in the end', async () => {
    const verdict = Promise.withResolvers<'refunded'>()
    const at = machine(() => verdict.promise)
    const running = await at.start()
    await buy(running)
    expect(await running.spending.account(key)).toMatchObject({ spentMicroUsd: 24n })
    verdict.resolve('refunded')
    await expect
      .poll(() => running.spending.account(key))
      .toMatchObject({ spentMicroUsd: 0n, availableMicroUsd: 10_000n })
    expect(await at.store.list('gateway-open')).toEqual([])
  })
})

describe('after kill -9', () => {
  test('a delivered job is charged when the buyer pays it', async () => {
    const at = machine(() => new Promise(() => undefined))
    await buy(await at.start())
    expect(await at.store.list('gateway-open')).toHaveLength(1)
    const judged = machine(undefined, at.store)
    for (const [job, record] of at.records) judged.records.set(job, record)
    const { spending } = await judged.start()
    await expect.poll(() => spending.account(key)).toMatchObject({ spentMicroUsd: 24n })
    expect(await spending.account(key)).toMatchObject({ reservedMicroUsd: 0n })
  })

  test('a job that was running is released, and one never sent too', async () => {
    const at = machine()
    const running = await at.start()
    const { signal } = new AbortController()
    const events = runJobs(running, { key, model: defaultModel, requests: [request], signal })
    await events.next()
    await events.next()
    const never = await running.spending.reserve(key, { atLeastMicroUsd: 5n, atMostMicroUsd: 5n })
    await never.attach(Hex.sha256('never sent'))
    expect(await at.store.list('gateway-open')).toHaveLength(2)

    const { spending } = await at.start()
    await expect
      .poll(() => spending.account(key))
      .toMatchObject({ spentMicroUsd: 0n, reservedMicroUsd: 0n })
    await expect.poll(() => at.store.list('gateway-open')).toEqual([])
  })
})

describe('a full disk', () => {
  test('lets nothing of an answer out, and loses no charge of earlier ones', async () => {
    const disk = memoryStore()
    let full = false
    const store: Store = {
      ...disk,
      write: async (writes) => {
        if (full) throw new WriteError({ cause: new Error('disk full'), path: '/disk' })
        await disk.write(writes)
      },
    }
    const at = machine(undefined, store)
    const running = await at.start({ retryMs: 20 })
    await buy(running)
    full = true
    await expect(buy(running)).rejects.toMatchObject({ code: 'Store.WriteError' })
    await new Promise((resolve) => setTimeout(resolve, 100))
    full = false
    await expect
      .poll(() => readAccount(at, key))
      .toMatchObject({ spentMicroUsd: 24n, reservedMicroUsd: 0n })
    expect(running.spending.chargedMicroUsd).toBe(24n)
  })
})
