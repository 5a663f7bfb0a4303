import { describe, expect, test } from 'vitest'
import { providerWorld } from '../../test/providerWorld.ts'
import * as Hex from '../protocol/Hex.ts'
import * as Lease from '../protocol/Lease.ts'

describe('answerLease', () => {
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
    const { buyer, lease } = await world.readyLease()
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
    const { buyer, lease } = await world.readyLease()
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
    const { buyer, lease } = await world.readyLease()
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
    const { buyer, lease } = await world.readyLease()
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
