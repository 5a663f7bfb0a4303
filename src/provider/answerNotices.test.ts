import { describe, expect, test } from 'vitest'
import { providerWorld } from '../../test/providerWorld.ts'

describe('answerReady', () => {
  test('starts the meter, and again changes nothing', async () => {
    const world = providerWorld()
    await using provider = await world.start()
    const { buyer, lease } = await world.readyLease()
    const before = provider.leases()
    await world.drive(buyer.ready(lease.id))
    expect(provider.leases()).toEqual(before)
    const { receipt } = await world.drive(buyer.job(lease.id))
    expect(receipt.message.priceMicroUsd).toBeGreaterThan(0n)
  })

  test('is refused in a lease that closes', async () => {
    const world = providerWorld()
    await using _ = await world.start()
    const { buyer, lease } = await world.readyLease()
    await world.drive(buyer.close(lease.id))
    await expect(world.drive(buyer.ready(lease.id))).rejects.toMatchObject({
      code: 'Provider.LeaseClosedError',
    })
  })
})

describe('answerPause', () => {
  test('stops the meter until the buyer is ready again', async () => {
    const world = providerWorld()
    await using provider = await world.start()
    const { buyer, lease } = await world.readyLease()
    await world.drive(buyer.pause(lease.id))
    expect(provider.leases()).toMatchObject([{ state: 'paused' }])
    const probe = await world.drive(buyer.job(lease.id))
    expect(probe.receipt.message).toMatchObject({ priceMicroUsd: 0n, readyAt: 0 })
    await expect(world.drive(buyer.job(lease.id, { maxTokens: 40 }))).rejects.toMatchObject({
      code: 'Provider.NotReadyError',
    })
    await world.drive(buyer.ready(lease.id))
    await world.drive(buyer.job(lease.id, { maxTokens: 40 }))
  })

  test('again and again is no way to be served for nothing', async () => {
    const world = providerWorld()
    await using _ = await world.start({ creditMicroUsd: 20n })
    const { buyer, lease } = await world.readyLease()
    const live = async () => {
      for (let round = 0; round < 20; round++) {
        await buyer.pause(lease.id)
        await buyer.job(lease.id)
        await buyer.ready(lease.id)
      }
    }
    await expect(world.drive(live())).rejects.toMatchObject({ code: 'Provider.CreditError' })
  })
})

describe('answerClose', () => {
  test('ends the lease for new work, and again changes nothing', async () => {
    const world = providerWorld()
    await using provider = await world.start()
    const { buyer, lease } = await world.readyLease()
    await world.drive(buyer.close(lease.id))
    await world.drive(buyer.close(lease.id))
    expect(provider.leases()).toMatchObject([{ state: 'closing' }])
    await expect(world.drive(buyer.job(lease.id))).rejects.toMatchObject({
      code: 'Provider.LeaseClosedError',
    })
    expect(await provider.claimables()).toMatchObject([{ release: true }])
  })
})
