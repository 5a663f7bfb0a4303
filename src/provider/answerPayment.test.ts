import { describe, expect, test } from 'vitest'
import { providerWorld } from '../../test/providerWorld.ts'

describe('answerPayment', () => {
  test('may repeat, and may not go down or over the total', async () => {
    const world = providerWorld()
    await using provider = await world.start()
    const { buyer, lease } = await world.readyLease()
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
    const { buyer, lease } = await world.readyLease()
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
    const { buyer, lease } = await world.readyLease()
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
    const { buyer, lease } = await world.readyLease()
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
