import { describe, expect, test } from 'vitest'
import { failingEngine, garbageEngine, greedyEngine, honestEngine } from '../../test/engines.ts'
import { slowEngine, stallingEngine, talkativeEngine } from '../../test/engines.ts'
import { vanishingEngine, wordModel, wordRequest } from '../../test/engines.ts'
import { identityOf, providerWorld } from '../../test/providerWorld.ts'
import * as Completion from '../protocol/Completion.ts'
import * as Exchange from '../protocol/Exchange.ts'
import * as Hex from '../protocol/Hex.ts'
import * as Json from '../protocol/Json.ts'
import * as Lease from '../protocol/Lease.ts'
import * as Offer from '../protocol/Offer.ts'
import * as Receipt from '../protocol/Receipt.ts'
import * as TimelineEvent from '../protocol/TimelineEvent.ts'

describe('startProvider', () => {
  test('registers once, with its stake', async () => {
    const world = providerWorld()
    const first = await world.start()
    await world.drive(first[Symbol.asyncDispose]())
    await using _ = await world.start()
    const found = world.chain.state().registrations.get(world.provider.address)
    expect(found).toMatchObject({ registered: true, stakeMicroUsd: 1_000_000n })
    await world.advance(60_000)
    expect(world.chain.totals().stakedMicroUsd).toBe(1_000_000n)
  })

  test('registers again when the chain has rolled back', async () => {
    const world = providerWorld()
    await using _ = await world.start()
    await world.advance(10_000)
    world.chain.rollback(100)
    expect(world.chain.totals().stakedMicroUsd).toBe(0n)
    await world.advance(10_000)
    expect(world.chain.totals().stakedMicroUsd).toBe(1_000_000n)
  })

  test('says what is missing when it cannot put up its stake', async () => {
    const world = providerWorld()
    await expect(world.start({ stakeMicroUsd: 10n ** 12n })).rejects.toMatchObject({
      code: 'Chain.ERC20InsufficientBalance',
    })
  })

  test('starts without a chain and registers when it is back', async () => {
    const world = providerWorld()
    world.chain.setAvailable(false)
    await using _ = await world.start()
    world.chain.setAvailable(true)
    await world.advance(10_000)
    expect(world.chain.totals().stakedMicroUsd).toBe(1_000_000n)
  })

  test('gossips a signed offer several times within its lifetime', async () => {
    const world = providerWorld()
    const heard: Offer.Offer[] = []
    const listener = world.network.join(identityOf('listener').peerId)
    listener.subscribe(Exchange.topics.offers, (body) => {
      heard.push(Offer.verify(world.chain.domain, Offer.deserialize(body)))
    })
    await using _ = await world.start({ region: 'eu', offerIntervalMs: 1_000 })
    await world.advance(4_000)
    expect(heard.length).toBeGreaterThanOrEqual(4)
    expect(heard[0]).toMatchObject({ provider: world.provider.address, region: 'eu' })
    expect(heard[0]!.models[0]).toMatchObject({ id: 'words', outputMicroUsdPerMillion: 2_000_000n })
    expect(heard[0]!.expiresAt - heard[0]!.issuedAt).toBe(4_000)
  })

  test('sells a completion from the order to the voucher', async () => {
    const world = providerWorld()
    await using provider = await world.start()
    const buyer = await world.buyer()
    const lease = await world.drive(buyer.open())

    const probe = await world.drive(buyer.job(lease.id))
    expect(probe.receipt.message).toMatchObject({ priceMicroUsd: 0n, readyAt: 0 })
    await world.drive(buyer.ready(lease.id))
    const job = await world.drive(buyer.job(lease.id, { maxTokens: 40 }))
    const { priceMicroUsd } = job.receipt.message
    expect(priceMicroUsd).toBe(Completion.priceMicroUsd(job.receipt.message, lease.bid.message))
    expect(job.receipt.message.readyAt).toBeGreaterThan(0)
    await world.drive(buyer.pay(lease.id, priceMicroUsd, { paid: [job.id] }))

    expect(provider.leases()).toMatchObject([
      { state: 'ready', deliveredMicroUsd: priceMicroUsd, paidMicroUsd: priceMicroUsd },
    ])
    const [claimable] = await provider.claimables()
    expect(claimable?.voucher?.message.cumulativeMicroUsd).toBe(priceMicroUsd)
  })

  test('tells the network what happened, without contents', async () => {
    const world = providerWorld()
    const codes: string[] = []
    const listener = world.network.join(identityOf('listener').peerId)
    listener.subscribe(Exchange.topics.timeline, (body) => {
      const event = TimelineEvent.verify(world.chain.domain, TimelineEvent.deserialize(body))
      expect(event.by).toBe(world.provider.address)
      expect(event.detail).not.toContain('weft')
      codes.push(event.code)
    })
    await using _ = await world.start()
    const buyer = await world.buyer()
    const lease = await world.drive(buyer.open())
    await world.drive(buyer.job(lease.id))
    await world.drive(buyer.ready(lease.id))
    await world.drive(buyer.close(lease.id))
    await world.advance(1)
    expect(codes).toEqual([
      'order-bid',
      'lease-open',
      'job-start',
      'job-delivered',
      'lease-ready',
      'lease-closing',
    ])
  })

  test('gossips each receipt, and again while it is not paid', async () => {
    const world = providerWorld()
    const heard: Hex.Hex[] = []
    const listener = world.network.join(identityOf('listener').peerId)
    listener.subscribe(Exchange.topics.receipts, (body) => {
      heard.push(Receipt.verify(world.chain.domain, Receipt.deserialize(body)).job)
    })
    await using _ = await world.start({ offerIntervalMs: 1_000 })
    const { buyer, lease } = await readyLease(world)
    const job = await world.drive(buyer.job(lease.id))
    await world.advance(3_000)
    const told = heard.filter((id) => id === job.id).length
    expect(told).toBeGreaterThanOrEqual(3)
    await world.drive(buyer.pay(lease.id, job.receipt.message.priceMicroUsd, { paid: [job.id] }))
    const before = heard.filter((id) => id === job.id).length
    await world.advance(5_000)
    expect(heard.filter((id) => id === job.id).length).toBe(before)
  })

  test('answers nothing more once it has stopped', async () => {
    const world = providerWorld()
    const provider = await world.start()
    const buyer = await world.buyer()
    await world.drive(provider[Symbol.asyncDispose]())
    await expect(world.drive(buyer.order())).rejects.toMatchObject({
      code: 'Network.NoHandlerError',
    })
  })

  test('ends the jobs in flight when it stops', async () => {
    const world = providerWorld()
    const provider = await world.start({ engine: slowEngine(world) })
    const { buyer, lease } = await readyLease(world)
    const job = buyer.job(lease.id, { maxTokens: 40 })
    await world.advance(1_500)
    expect(provider.active).toBe(1)
    const stopped = provider[Symbol.asyncDispose]()
    await expect(world.drive(job)).rejects.toMatchObject({ code: 'Provider.BusyError' })
    await world.drive(stopped)
  })
})

describe('an order', () => {
  test('is answered with all reasons against it', async () => {
    const world = providerWorld()
    await using _ = await world.start()
    const buyer = await world.buyer()
    const reply = await world.drive(
      buyer.order({ tier: 'exact', maxOutputMicroUsdPerMillion: 1n, concurrency: 99 }),
    )
    const codes = reply.type === 'declined' ? reply.reasons.map(({ code }) => code) : []
    expect(codes.toSorted()).toEqual([
      'Screen.ConcurrencyTooHigh',
      'Screen.OutputPriceTooHigh',
      'Screen.TierNotOffered',
    ])
  })

  test('is declined when all leases are taken', async () => {
    const world = providerWorld()
    await using _ = await world.start({ maxLeases: 1 })
    const buyer = await world.buyer()
    await world.drive(buyer.open())
    const reply = await world.drive(buyer.order())
    expect(reply).toMatchObject({ type: 'declined', reasons: [{ code: 'Provider.BusyError' }] })
  })

  test('of another buyer is refused', async () => {
    const world = providerWorld()
    await using _ = await world.start()
    const buyer = await world.buyer()
    const thief = await world.buyer('thief')
    const stolen = buyer.makeOrder()
    await expect(world.drive(thief.tell('order', stolen))).rejects.toMatchObject({
      code: 'Provider.ForbiddenError',
    })
  })
})

describe('a lease', () => {
  test('is open when the chain has it, and sent again it gets the same answer', async () => {
    const world = providerWorld()
    await using provider = await world.start()
    const buyer = await world.buyer()
    const { lease, id } = await world.drive(buyer.open())
    expect(world.chain.state().leases.get(id)?.state).toBe('open')
    const [first, second] = await world.drive(Promise.all([buyer.send(lease), buyer.send(lease)]))
    expect(first).toEqual(second)
    expect(provider.leases()).toHaveLength(1)
  })

  test('is refused when it does not fit a bid', async () => {
    const world = providerWorld()
    await using provider = await world.start()
    const buyer = await world.buyer()
    const code = async (lease: Partial<Lease.Lease>, order = {}) =>
      await world.drive(buyer.open({ lease, order })).catch((error: { code: string }) => error.code)
    expect(await code({ terms: Hex.zero })).toBe('Provider.UnknownBidError')
    expect(await code({ totalMicroUsd: 100_001n })).toBe('Provider.TermsError')
    expect(await code({ expirySeconds: Math.floor(world.clock.now() / 1000) + 1 })).toBe(
      'Provider.TermsError',
    )
    expect(await code({ provider: buyer.identity.address })).toBe('Provider.ForbiddenError')
    expect(provider.leases()).toEqual([])
  })

  test('is refused when the bid has expired', async () => {
    const world = providerWorld()
    await using _ = await world.start({ bidLifetimeMs: 1_000 })
    const buyer = await world.buyer()
    const reply = await world.drive(buyer.order())
    if (reply.type !== 'bid') throw new Error('No bid.')
    await world.advance(2_000)
    await expect(world.drive(buyer.send(buyer.makeLease(reply.bid)))).rejects.toMatchObject({
      code: 'Provider.ExpiredError',
    })
  })

  test('that the deposit does not cover is forgotten', async () => {
    const world = providerWorld()
    await using provider = await world.start()
    const buyer = await world.buyer('poor', 10n)
    await expect(world.drive(buyer.open())).rejects.toMatchObject({
      code: 'Chain.InsufficientFree',
    })
    expect(provider.leases()).toEqual([])
    expect(await world.store.list('provider-leases')).toEqual([])
  })

  test('can be raised, and not lowered', async () => {
    const world = providerWorld()
    await using provider = await world.start()
    const buyer = await world.buyer()
    const { lease, bid, id } = await world.drive(buyer.open())
    const { nonce } = lease.message
    await world.drive(buyer.send(buyer.makeLease(bid, { nonce, totalMicroUsd: 200_000n })))
    expect(provider.leases()).toMatchObject([{ totalMicroUsd: 200_000n }])
    expect(world.chain.state().leases.get(id)?.totalMicroUsd).toBe(200_000n)
    const lower = buyer.makeLease(bid, { nonce, totalMicroUsd: 50_000n })
    await expect(world.drive(buyer.send(lower))).rejects.toMatchObject({
      code: 'Provider.TermsError',
    })
  })

  test('survives a chain that goes away while it opens', async () => {
    const world = providerWorld()
    await using provider = await world.start()
    const buyer = await world.buyer()
    const reply = await world.drive(buyer.order())
    if (reply.type !== 'bid') throw new Error('No bid.')
    const lease = buyer.makeLease(reply.bid)
    const sent = buyer.send(lease)
    await world.advance(1)
    world.chain.setAvailable(false)
    await expect(world.drive(sent)).rejects.toMatchObject({ code: 'Chain.UnavailableError' })
    await expect(
      world.drive(buyer.job(Lease.id(lease.message), { maxTokens: 4 })),
    ).rejects.toMatchObject({ code: 'Provider.LeaseNotOpenError' })
    world.chain.setAvailable(true)
    await world.drive(buyer.send(lease))
    await world.drive(buyer.job(Lease.id(lease.message), { maxTokens: 4 }))
    expect(provider.leases()).toHaveLength(1)
  })

  test('is brought back after a rollback, and serves meanwhile', async () => {
    const world = providerWorld()
    await using _ = await world.start()
    const buyer = await world.buyer()
    await world.advance(10_000)
    const lease = await world.drive(buyer.open())
    world.chain.rollback(3)
    expect(world.chain.state().leases.get(lease.id)).toBeUndefined()
    await world.drive(buyer.job(lease.id))
    await world.advance(15_000)
    expect(world.chain.state().leases.get(lease.id)?.state).toBe('open')
  })

  test('serves no more when the chain has lost it and refuses it', async () => {
    const world = providerWorld()
    await using provider = await world.start()
    const buyer = await world.buyer()
    const deadlineSeconds = Math.floor(world.clock.now() / 1000) + 30
    const lease = await world.drive(buyer.open({ lease: { deadlineSeconds } }))
    await world.advance(60_000)
    world.chain.rollback(100)
    await world.advance(15_000)
    await expect(world.drive(buyer.job(lease.id))).rejects.toMatchObject({
      code: 'Provider.UnsecuredError',
    })
    expect(await provider.claimables()).toEqual([])
    await world.advance(700_000)
    expect(provider.leases()).toEqual([])
  })

  test('that the chain has lost is taken again when its buyer signs it anew', async () => {
    const world = providerWorld()
    await using provider = await world.start()
    const buyer = await world.buyer()
    await world.advance(10_000)
    const deadline = () => Math.floor(world.clock.now() / 1000) + 30
    const lease = await world.drive(buyer.open({ lease: { deadlineSeconds: deadline() } }))
    await world.advance(60_000)
    world.chain.rollback(65)
    await world.advance(10_000)
    const { nonce, expirySeconds } = lease.lease.message
    const again = buyer.makeLease(lease.bid, { nonce, expirySeconds, deadlineSeconds: deadline() })
    await world.drive(buyer.send(again))
    await world.drive(buyer.job(lease.id))
    expect(world.chain.state().leases.get(lease.id)?.state).toBe('open')
    expect(provider.leases()).toHaveLength(1)
  })

  test('keeps serving while the chain is away', async () => {
    const world = providerWorld()
    await using provider = await world.start()
    const { buyer, lease } = await readyLease(world)
    world.chain.setAvailable(false)
    await world.advance(60_000)
    const job = await world.drive(buyer.job(lease.id))
    await world.drive(buyer.pay(lease.id, job.receipt.message.priceMicroUsd, { paid: [job.id] }))
    expect(provider.leases()).toMatchObject([{ state: 'ready' }])
  })

  test('that never gets ready is closed after a while', async () => {
    const world = providerWorld()
    await using provider = await world.start({ readyTimeoutMs: 30_000 })
    const buyer = await world.buyer()
    await world.drive(buyer.open())
    await world.advance(40_000)
    expect(provider.leases()).toMatchObject([{ state: 'closing' }])
    expect(await provider.claimables()).toMatchObject([{ release: true }])
  })

  test('takes no new work when it is about to expire, and closes when it has', async () => {
    const world = providerWorld()
    await using provider = await world.start()
    const { buyer, lease } = await readyLease(world)
    await world.advance(585_000)
    await expect(world.drive(buyer.job(lease.id))).rejects.toMatchObject({
      code: 'Provider.LeaseClosedError',
    })
    await world.advance(30_000)
    expect(provider.leases()).toMatchObject([{ state: 'closing' }])
  })

  test('is settled only when the chain has closed it for several blocks', async () => {
    const world = providerWorld()
    await using provider = await world.start({ confirmations: 5, reconcileIntervalMs: 1_000 })
    const { buyer, lease } = await readyLease(world)
    await world.drive(buyer.close(lease.id))
    await world.advance(120_000)
    expect(provider.leases()).toMatchObject([{ state: 'closing' }])
    const key = lease.lease.message
    await world.drive(world.chain.connect(world.provider).send({ type: 'close-lease', key }))
    await world.advance(1_500)
    expect(provider.leases()).toMatchObject([{ state: 'closing' }])
    await world.advance(10_000)
    expect(provider.leases()).toEqual([])
    await expect(world.drive(buyer.job(lease.id))).rejects.toMatchObject({
      code: 'Provider.UnknownLeaseError',
    })
  })

  test('remembers against its buyer what it was left unpaid', async () => {
    const world = providerWorld()
    await using _ = await world.start({ creditMicroUsd: 1n, closeGraceMs: 0 })
    const { buyer, lease } = await readyLease(world)
    await world.drive(buyer.job(lease.id))
    await world.drive(buyer.close(lease.id))
    const key = lease.lease.message
    await world.drive(world.chain.connect(world.provider).send({ type: 'close-lease', key }))
    await world.advance(60_000)
    const reply = await world.drive(buyer.order())
    expect(reply).toMatchObject({ reasons: [{ code: 'Provider.DebtError' }] })
    const other = await world.buyer('other')
    expect(await world.drive(other.order())).toMatchObject({ type: 'bid' })
  })
})

describe('a job', () => {
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
    const { buyer, lease } = await readyLease(world)
    const body = buyer.makeJob(lease.id, wordRequest())
    const first = await world.drive(buyer.run(body))
    const second = await world.drive(buyer.run(body))
    expect(second).toEqual(first)
    expect(provider.leases()[0]?.deliveredMicroUsd).toBe(first.receipt.message.priceMicroUsd)
  })

  test('sent twice at once runs once', async () => {
    const world = providerWorld()
    await using _ = await world.start({ engine: slowEngine(world) })
    const { buyer, lease } = await readyLease(world)
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
    const { buyer, lease } = await readyLease(world)
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
    const { buyer, lease } = await readyLease(world)
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
    const { buyer, lease } = await readyLease(world)
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
    const { buyer, lease } = await readyLease(world)
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
    const { buyer, lease } = await readyLease(world)
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
    const { buyer, lease } = await readyLease(world)
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
    const { buyer, lease } = await readyLease(world)
    const read = (async () => {
      let deltas = 0
      for await (const event of buyer.stream(buyer.makeJob(lease.id, wordRequest())))
        if (event.type === 'job-delta' && ++deltas === 2) return
    })()
    await world.drive(read)
    await world.advance(1)
    expect(provider.active).toBe(0)
    expect(provider.leases()).toMatchObject([{ state: 'ready', deliveredMicroUsd: 0n }])
  })

  test('broken off again and again is refused in the end', async () => {
    const world = providerWorld()
    await using _ = await world.start({ creditMicroUsd: 10n })
    const { buyer, lease } = await readyLease(world)
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
    const { buyer, lease } = await readyLease(world)
    const body = buyer.makeJob(lease.id, wordRequest({ maxTokens: 1_000, seed: 99 }))
    const stream = buyer.stream(body)
    await world.drive(stream.next())
    await world.advance(6_000)
    expect(provider.active).toBe(0)
    await stream.return(undefined)
    expect(provider.leases()).toMatchObject([{ state: 'ready' }])
  })
})

describe('a payment', () => {
  test('may repeat, and may not go down or over the total', async () => {
    const world = providerWorld()
    await using provider = await world.start()
    const { buyer, lease } = await readyLease(world)
    await world.drive(buyer.pay(lease.id, 50n))
    await world.drive(buyer.pay(lease.id, 50n))
    await expect(world.drive(buyer.pay(lease.id, 49n))).rejects.toMatchObject({
      code: 'Provider.VoucherDownError',
    })
    await expect(world.drive(buyer.pay(lease.id, 100_001n))).rejects.toMatchObject({
      code: 'Provider.VoucherOverTotalError',
    })
    expect(provider.leases()).toMatchObject([{ paidMicroUsd: 50n }])
  })

  test('signed by somebody else is refused', async () => {
    const world = providerWorld()
    await using _ = await world.start()
    const { buyer, lease } = await readyLease(world)
    const thief = await world.buyer('thief')
    const voucher = thief.makeVoucher(lease.id, 10n)
    await expect(
      world.drive(buyer.tell('payment', { voucher, paid: [], refused: [] })),
    ).rejects.toMatchObject({ code: 'Protocol.SignatureError' })
    await expect(world.drive(thief.pay(lease.id, 10n))).rejects.toMatchObject({
      code: 'Provider.UnknownLeaseError',
    })
  })

  test('that refuses a job leaves it unpaid and counts it once', async () => {
    const world = providerWorld()
    await using _ = await world.start({ creditMicroUsd: 5n })
    const { buyer, lease } = await readyLease(world)
    const job = await world.drive(buyer.job(lease.id))
    const refused = [{ job: job.id, reason: { code: 'Verdict.invalid', message: 'Wrong.' } }]
    await world.drive(buyer.pay(lease.id, 0n, { refused }))
    await world.drive(buyer.pay(lease.id, 0n, { refused }))
    const row = await world.store.get('provider-receipts', `${lease.id}/${job.id}`)
    expect(JSON.parse(row!)).toMatchObject({
      state: 'refused',
      reason: { code: 'Verdict.invalid' },
    })
    expect(await world.store.list('provider-unpaid')).toHaveLength(1) // The probe.
    await expect(world.drive(buyer.job(lease.id))).rejects.toMatchObject({
      code: 'Provider.CreditError',
    })
  })

  test('is still taken while the lease closes, until it is released', async () => {
    const world = providerWorld()
    await using provider = await world.start({ closeGraceMs: 10_000 })
    const { buyer, lease } = await readyLease(world)
    const job = await world.drive(buyer.job(lease.id))
    await world.drive(buyer.close(lease.id))
    expect(await provider.claimables()).toMatchObject([{ release: false }])
    const { priceMicroUsd } = job.receipt.message
    await world.drive(buyer.pay(lease.id, priceMicroUsd, { paid: [job.id] }))
    expect(await provider.claimables()).toMatchObject([
      { release: true, voucher: { message: { cumulativeMicroUsd: priceMicroUsd } } },
    ])
    await expect(world.drive(buyer.pay(lease.id, priceMicroUsd + 1n))).rejects.toMatchObject({
      code: 'Provider.LeaseClosedError',
    })
  })
})

describe('evidence', () => {
  test('is given to the buyer and the validators of the order, and to nobody else', async () => {
    const world = providerWorld()
    await using _ = await world.start()
    const validator = await world.buyer('validator')
    const stranger = await world.buyer('stranger')
    const buyer = await world.buyer()
    const order = { validators: [validator.identity.address] }
    const { id: lease } = await world.drive(buyer.open({ order }))
    const { id: job, output, receipt } = await world.drive(buyer.job(lease))
    for (const reader of [buyer, validator]) {
      const body = await world.drive(reader.tell('evidence', { job }))
      const evidence = Json.decode(Exchange.evidence, body, { what: 'Evidence' })
      expect(evidence).toMatchObject({ output, receipt })
    }
    await expect(world.drive(stranger.tell('evidence', { job }))).rejects.toMatchObject({
      code: 'Provider.ForbiddenError',
    })
    await expect(world.drive(validator.tell('evidence', { job: Hex.zero }))).rejects.toMatchObject({
      code: 'Provider.NoEvidenceError',
    })
  })

  test('is kept up to a limit', async () => {
    const world = providerWorld()
    await using _ = await world.start({ evidenceLimit: 2, evidenceAgeMs: 300_000 })
    const { buyer, lease } = await readyLease(world)
    const jobs = []
    for (let job = 0; job < 4; job++) {
      jobs.push(await world.drive(buyer.job(lease.id)))
      await world.advance(10)
    }
    await world.advance(70_000)
    expect(await world.store.list('provider-evidence')).toHaveLength(2)
    const last = jobs.at(-1)!
    await world.drive(buyer.tell('evidence', { job: last.id }))
    await world.advance(400_000)
    expect(await world.store.list('provider-evidence')).toEqual([])
    expect(await world.store.list('provider-evidence-age')).toEqual([])
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

async function readyLease(world: ReturnType<typeof providerWorld>) {
  const buyer = await world.buyer()
  const lease = await world.drive(buyer.open())
  await world.drive(buyer.job(lease.id, { maxTokens: 4 }))
  await world.drive(buyer.ready(lease.id))
  return { buyer, lease }
}
