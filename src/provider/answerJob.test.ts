import { describe, expect, test } from 'vitest'
import {
  failingEngine,
  garbageEngine,
  greedyEngine,
  honestEngine,
  slowEngine,
  stallingEngine,
  talkativeEngine,
  vanishingEngine,
  wordModel,
  wordRequest,
} from '../../test/engines.ts'
import { providerWorld } from '../../test/providerWorld.ts'
import type * as Exchange from '../protocol/Exchange.ts'
import * as Hex from '../protocol/Hex.ts'

describe('answerJob', () => {
  test('before ready is a probe: small, free, and three at most', async () => {
    const world = providerWorld()
    await using _ = await world.start()
    const buyer = await world.buyer()
    const { id } = await world.drive(buyer.open())
    await expect(world.drive(buyer.job(id, { maxTokens: 17 }))).rejects.toMatchObject({
      code: 'Provider.NotReadyError',
    })
    for (let probe = 0; probe < 3; probe++) await world.drive(buyer.job(id))
    await expect(world.drive(buyer.job(id))).rejects.toMatchObject({
      code: 'Provider.ProbeLimitError',
    })
  })

  test('sent again gets the same answer and the same receipt', async () => {
    const world = providerWorld()
    await using provider = await world.start()
    const { buyer, lease } = await world.readyLease()
    const body = buyer.makeJob(lease.id, wordRequest())
    const first = await world.drive(buyer.run(body))
    const second = await world.drive(buyer.run(body))
    expect(second).toEqual(first)
    expect(provider.leases()[0]?.deliveredMicroUsd).toBe(first.receipt.message.priceMicroUsd)
  })

  test('sent twice at once runs once', async () => {
    const world = providerWorld()
    await using _ = await world.start({ engine: slowEngine(world) })
    const { buyer, lease } = await world.readyLease()
    const body = buyer.makeJob(lease.id, wordRequest())
    const results = await world.drive(Promise.allSettled([buyer.run(body), buyer.run(body)]))
    expect(results.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
    expect(results.find(({ status }) => status === 'rejected')).toMatchObject({
      reason: { code: 'Provider.ReplayError' },
    })
  })

  test('beyond the credit is refused until something is paid', async () => {
    const world = providerWorld()
    await using _ = await world.start({ creditMicroUsd: 5n })
    const { buyer, lease } = await world.readyLease()
    const first = await world.drive(buyer.job(lease.id))
    await expect(world.drive(buyer.job(lease.id))).rejects.toMatchObject({
      code: 'Provider.CreditError',
    })
    const { priceMicroUsd } = first.receipt.message
    await world.drive(buyer.pay(lease.id, priceMicroUsd, { paid: [first.id] }))
    await world.drive(buyer.job(lease.id))
  })

  test('that may cost more than the lease has is refused, with those in flight counted', async () => {
    const world = providerWorld()
    await using _ = await world.start({ engine: slowEngine(world) })
    const { buyer, lease } = await world.readyLease()
    await expect(world.drive(buyer.job(lease.id, { maxTokens: 60_000 }))).rejects.toMatchObject({
      code: 'Provider.BudgetError',
    })
    const running = buyer.job(lease.id, { maxTokens: 49_000 })
    await world.advance(10)
    await expect(world.drive(buyer.job(lease.id, { maxTokens: 5_000 }))).rejects.toMatchObject({
      code: 'Provider.BudgetError',
    })
    await world.drive(running)
  })

  test('beyond the places is refused', async () => {
    const world = providerWorld()
    await using provider = await world.start({ concurrency: 3, engine: slowEngine(world) })
    const { buyer, lease } = await world.readyLease()
    const results = world.drive(
      Promise.allSettled([1, 2, 3].map(() => buyer.job(lease.id, { maxTokens: 40 }))),
    )
    const statuses = (await results).map(({ status }) => status)
    expect(statuses.toSorted()).toEqual(['fulfilled', 'fulfilled', 'rejected'])
    expect(provider.active).toBe(0)
  })

  test('for another model, another request or another time is refused', async () => {
    const world = providerWorld()
    await using _ = await world.start()
    const { buyer, lease } = await world.readyLease()
    const code = async (body: Exchange.JobRequest) =>
      await world.drive(buyer.run(body)).catch((error: { code: string }) => error.code)
    const other = wordRequest({ model: 'other' })
    expect(await code(buyer.makeJob(lease.id, other))).toBe('Provider.JobError')
    const { job } = buyer.makeJob(lease.id, wordRequest())
    expect(await code({ job, request: wordRequest({ seed: 8 }) })).toBe('Provider.JobError')
    const late = buyer.makeJob(lease.id, wordRequest(), { expiresAt: world.clock.now() })
    expect(await code(late)).toBe('Provider.ExpiredError')
    const soon = world.clock.now() + 60_000
    const early = buyer.makeJob(lease.id, wordRequest(), { createdAt: soon, expiresAt: soon + 1 })
    expect(await code(early)).toBe('Provider.ExpiredError')
    expect(await code(buyer.makeJob(Hex.zero, wordRequest()))).toBe('Provider.UnknownLeaseError')
  })

  test('is refused when the model is not the one the lease is about any more', async () => {
    const world = providerWorld()
    const first = await world.start()
    const { buyer, lease } = await world.readyLease()
    await world.drive(first[Symbol.asyncDispose]())
    const model = { ...wordModel, weights: Hex.sha256('other words') }
    await using _ = await world.start({ engine: honestEngine({ model }) })
    await expect(world.drive(buyer.job(lease.id))).rejects.toMatchObject({
      code: 'Provider.ModelChangedError',
    })
  })

  test.each([
    ['talks too much', talkativeEngine, 'Provider.EngineFaultError'],
    ['counts too much', greedyEngine, 'Provider.EngineFaultError'],
    ['answers garbage', garbageEngine, 'Provider.EngineFaultError'],
    ['vanishes', vanishingEngine, 'Provider.EngineFaultError'],
    ['fails', failingEngine, 'Engine.EngineError'],
    ['stalls', stallingEngine, 'Provider.StalledError'],
  ] as const)('whose engine %s has no receipt and pauses the lease', async (_, create, code) => {
    const world = providerWorld()
    let bad = false
    const engine = switching(() => bad, create())
    await using provider = await world.start({ engine })
    const { buyer, lease } = await world.readyLease()
    bad = true
    await expect(world.drive(buyer.job(lease.id, { maxTokens: 40 }))).rejects.toMatchObject({
      code,
    })
    await world.advance(1)
    expect(provider.leases()).toMatchObject([{ state: 'paused', deliveredMicroUsd: 0n }])
    expect(provider.active).toBe(0)
    bad = false
    const probe = await world.drive(buyer.job(lease.id))
    expect(probe.receipt.message.priceMicroUsd).toBe(0n)
    await world.drive(buyer.ready(lease.id))
    const job = await world.drive(buyer.job(lease.id))
    expect(job.receipt.message.priceMicroUsd).toBeGreaterThan(0n)
  })

  test('that the buyer breaks off frees its place and aborts the engine', async () => {
    const world = providerWorld()
    await using provider = await world.start({ engine: slowEngine(world) })
    const { buyer, lease } = await world.readyLease()
    const read = (async () => {
      let deltas = 0
      for await (const event of buyer.stream(buyer.makeJob(lease.id, wordRequest())))
        if (event.type === 'job-delta' && ++deltas === 1) return
    })()
    await world.drive(read)
    await world.advance(1)
    expect(provider.active).toBe(0)
    expect(provider.leases()).toMatchObject([{ state: 'ready', deliveredMicroUsd: 0n }])
  })

  test('broken off again and again is refused in the end', async () => {
    const world = providerWorld()
    await using _ = await world.start({ creditMicroUsd: 10n })
    const { buyer, lease } = await world.readyLease()
    const breakOff = async () => {
      let deltas = 0
      for await (const event of buyer.stream(buyer.makeJob(lease.id, wordRequest())))
        if (event.type === 'job-delta' && ++deltas === 2) return
    }
    const outcome = (async () => {
      for (let job = 0; job < 10; job++) await breakOff()
    })()
    await expect(world.drive(outcome)).rejects.toMatchObject({ code: 'Provider.CreditError' })
  })

  test('nobody reads frees its place after a while', async () => {
    const world = providerWorld()
    const engine = honestEngine()
    await using provider = await world.start({ engine, stallTimeoutMs: 5_000 })
    const { buyer, lease } = await world.readyLease()
    const body = buyer.makeJob(lease.id, wordRequest({ maxTokens: 1_000, seed: 99 }))
    const stream = buyer.stream(body)
    await world.drive(stream.next())
    await world.advance(6_000)
    expect(provider.active).toBe(0)
    await stream.return(undefined)
    expect(provider.leases()).toMatchObject([{ state: 'ready' }])
  })
})

/** An engine that is honest until `bad` says otherwise. */
function switching(bad: () => boolean, other: ReturnType<typeof honestEngine>) {
  const honest = honestEngine()
  return {
    ...honest,
    complete: (...args: Parameters<typeof honest.complete>) =>
      (bad() ? other : honest).complete(...args),
  }
}
