import { describe, expect, test } from 'vitest'
import { identityOf, providerWorld } from '../../test/providerWorld.ts'
import * as Exchange from '../protocol/Exchange.ts'
import * as Timeline from '../protocol/Timeline.ts'

describe('reconcile', () => {
  test('forgets a lease that never came to the chain, once it cannot come any more', async () => {
    const world = providerWorld()
    await using provider = await world.start()
    const buyer = await world.buyer()
    const reply = await world.drive(buyer.order())
    if (reply.type !== 'bid') throw new Error('No bid.')
    const deadlineSeconds = Math.floor(world.clock.now() / 1000) + 60
    world.chain.setAvailable(false)
    const sent = buyer.send(buyer.makeLease(reply.bid, { deadlineSeconds }))
    await expect(world.drive(sent)).rejects.toMatchObject({ code: 'Chain.UnavailableError' })
    world.chain.setAvailable(true)
    await world.advance(20_000)
    expect(provider.leases()).toHaveLength(1)
    await world.advance(60_000)
    expect(provider.leases()).toEqual([])
    expect(await world.store.list('provider-meters')).toEqual([])
  })

  test('finds a lease on the chain whose opening it never heard of', async () => {
    const world = providerWorld()
    await using provider = await world.start()
    const buyer = await world.buyer()
    const reply = await world.drive(buyer.order())
    if (reply.type !== 'bid') throw new Error('No bid.')
    const lease = buyer.makeLease(reply.bid)
    world.chain.setAvailable(false)
    await expect(world.drive(buyer.send(lease))).rejects.toBeDefined()
    world.chain.setAvailable(true)
    const { message, signature } = lease
    const chain = world.chain.connect(world.provider)
    await world.drive(chain.send({ type: 'open-lease', lease: message, signature }))
    await world.advance(10_000)
    const [found] = provider.leases()
    await world.drive(buyer.job(found!.lease))
  })

  test('brings a raise back that a rollback took', async () => {
    const world = providerWorld()
    await using _ = await world.start()
    const buyer = await world.buyer()
    const { lease, bid, id } = await world.drive(buyer.open())
    await world.advance(5_000)
    const { nonce, expirySeconds } = lease.message
    const terms = { nonce, expirySeconds, totalMicroUsd: 200_000n }
    await world.drive(buyer.send(buyer.makeLease(bid, terms)))
    const total = () => world.chain.state().leases.get(id)?.totalMicroUsd
    expect(total()).toBe(200_000n)
    world.chain.rollback(2)
    expect(total()).toBe(100_000n)
    await world.advance(12_000)
    expect(total()).toBe(200_000n)
  })

  test('serves no more when the chain does not take a raise back, until it is signed anew', async () => {
    const world = providerWorld()
    await using provider = await world.start()
    const buyer = await world.buyer()
    const { lease, bid, id } = await world.drive(buyer.open())
    await world.advance(5_000)
    const { nonce, expirySeconds } = lease.message
    const deadline = () => Math.floor(world.clock.now() / 1000) + 20
    const terms = { nonce, expirySeconds, totalMicroUsd: 200_000n }
    await world.drive(buyer.send(buyer.makeLease(bid, { ...terms, deadlineSeconds: deadline() })))
    await world.advance(21_000)
    world.chain.rollback(22)
    await world.advance(6_000)
    await expect(world.drive(buyer.job(id))).rejects.toMatchObject({
      code: 'Provider.UnsecuredError',
    })
    expect(await provider.claimables()).toHaveLength(1)
    await world.drive(buyer.send(buyer.makeLease(bid, { ...terms, deadlineSeconds: deadline() })))
    await world.drive(buyer.job(id))
  })

  test('tells of every claim once', async () => {
    const world = providerWorld()
    const claims: string[] = []
    world.network
      .join(identityOf('listener').peerId)
      .subscribe(Exchange.topics.timeline, (body) => {
        for (const { code, detail } of Timeline.deserialize(body).events)
          if (code === 'payment-claimed') claims.push(detail)
      })
    await using _ = await world.start({ reconcileIntervalMs: 1_000 })
    const { buyer, lease } = await world.readyLease()
    const { nonce } = lease.lease.message
    const chain = world.chain.connect(world.provider)
    for (const cumulativeMicroUsd of [30n, 50n]) {
      const { signature } = buyer.makeVoucher(lease.id, cumulativeMicroUsd)
      const claim = { buyer: buyer.identity.address, nonce, cumulativeMicroUsd, signature }
      const provider = world.provider.address
      await world.drive(chain.send({ type: 'claim', provider, claims: [claim] }))
      await world.advance(5_000)
    }
    expect(claims).toEqual(['30 micro-USD', '20 micro-USD'])
  })

  test('settles a lease that expired while the chain had lost it', async () => {
    const world = providerWorld()
    await using provider = await world.start()
    const { lease } = await world.readyLease()
    await world.advance(1_000)
    world.chain.rollback(100)
    world.chain.setAvailable(false)
    await world.advance(700_000)
    expect(provider.leases()).toHaveLength(1)
    world.chain.setAvailable(true)
    await world.advance(10_000)
    expect(provider.leases()).toEqual([])
    expect(world.chain.state().leases.get(lease.id)).toBeUndefined()
  })
})
