import { describe, expect, test } from 'vitest'
import { slowEngine } from '../../test/engines.ts'
import { identityOf, providerWorld } from '../../test/providerWorld.ts'
import * as Completion from '../protocol/Completion.ts'
import * as Exchange from '../protocol/Exchange.ts'
import type * as Hex from '../protocol/Hex.ts'
import * as Offer from '../protocol/Offer.ts'
import * as Receipt from '../protocol/Receipt.ts'
import * as Timeline from '../protocol/Timeline.ts'

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
      const lines = Timeline.verify(world.chain.domain, Timeline.deserialize(body))
      for (const { event } of lines) {
        expect(event.by).toBe(world.provider.address)
        expect(event.detail).not.toContain('weft')
        codes.push(event.code)
      }
    })
    await using _ = await world.start()
    const buyer = await world.buyer()
    const lease = await world.drive(buyer.open())
    await world.drive(buyer.job(lease.id))
    await world.drive(buyer.ready(lease.id))
    await world.drive(buyer.close(lease.id))
    await world.advance(200)
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
    const { buyer, lease } = await world.readyLease()
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
    const { buyer, lease } = await world.readyLease()
    const job = buyer.job(lease.id, { maxTokens: 40 })
    await world.advance(1_500)
    expect(provider.active).toBe(1)
    const stopped = provider[Symbol.asyncDispose]()
    await expect(world.drive(job)).rejects.toMatchObject({ code: 'Provider.BusyError' })
    await world.drive(stopped)
  })
})
