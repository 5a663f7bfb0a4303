import { describe, expect, test } from 'vitest'
import { providerWorld, type ProviderWorld } from '../../test/providerWorld.ts'
import type { Chain } from '../chain/Chain.ts'
import { silentLogger } from '../runtime/silentLogger.ts'
import { startSettlement } from './startSettlement.ts'

describe('startSettlement', () => {
  test('claims what buyers promised, many leases in one transaction', async () => {
    const world = providerWorld()
    const { chain, sent } = watched(world)
    await using provider = await world.start()
    const leases = await paidLeases(world, 5)
    await using settlement = await startSettlement(
      { chain, clock: world.clock, logger: silentLogger(), claimables: provider.claimables },
      { intervalMs: 1_000, maxAgeMs: 5_000 },
    )
    await world.advance(3_000)
    expect(sent('claim')).toBe(0)
    await world.advance(10_000)
    expect(sent('claim')).toBe(1)
    const owed = leases.reduce((sum, { paid }) => sum + paid, 0n)
    expect(world.chain.state().earned.get(world.provider.address)).toBe(owed)
    expect(await world.drive(settlement.settle())).toMatchObject({ vouchers: 0, closed: 0 })
  })

  test('sends claims again that a rollback took', async () => {
    const world = providerWorld()
    await using provider = await world.start({ reconcileIntervalMs: 1_000 })
    await world.advance(20_000)
    const [{ paid } = { paid: 0n }] = await paidLeases(world, 1)
    await world.advance(5_000)
    await using _ = await settlementOf(world, provider, { maxAgeMs: 0 })
    await world.advance(2_500)
    const earned = () => world.chain.state().earned.get(world.provider.address) ?? 0n
    expect(earned()).toBe(paid)
    world.chain.rollback(4)
    expect(earned()).toBe(0n)
    await world.advance(10_000)
    expect(earned()).toBe(paid)
    // Deep enough to take the lease and the deposit's reservation too.
    world.chain.rollback(18)
    expect(earned()).toBe(0n)
    await world.advance(20_000)
    expect(earned()).toBe(paid)
  })

  test('claims, then closes, and the rest is free again', async () => {
    const world = providerWorld()
    await using provider = await world.start({ reconcileIntervalMs: 1_000 })
    const [lease] = await paidLeases(world, 1)
    await using _ = await settlementOf(world, provider)
    await world.drive(lease!.buyer.close(lease!.id))
    await world.advance(30_000)
    expect(world.chain.state().leases.get(lease!.id)).toMatchObject({
      state: 'closed',
      claimedMicroUsd: lease!.paid,
    })
    const buyer = lease!.buyer.identity.address
    expect(world.chain.state().deposits.get(buyer)).toMatchObject({
      freeMicroUsd: 1_000_000n - lease!.paid,
      reservedMicroUsd: 0n,
    })
    expect(provider.leases()).toEqual([])
  })

  test('brings claim and closure back when a rollback takes both', async () => {
    const world = providerWorld()
    await using provider = await world.start({ reconcileIntervalMs: 1_000, confirmations: 8 })
    const [lease] = await paidLeases(world, 1)
    await using _ = await settlementOf(world, provider)
    await world.drive(lease!.buyer.close(lease!.id))
    await world.advance(8_000)
    expect(world.chain.state().leases.get(lease!.id)?.state).toBe('closed')
    world.chain.rollback(7)
    expect(world.chain.state().leases.get(lease!.id)?.state).not.toBe('closed')
    await world.advance(60_000)
    expect(world.chain.state().leases.get(lease!.id)).toMatchObject({
      state: 'closed',
      claimedMicroUsd: lease!.paid,
    })
    expect(provider.leases()).toEqual([])
  })

  test('claims before an expiry, and closes after it', async () => {
    const world = providerWorld()
    await using provider = await world.start()
    const [lease] = await paidLeases(world, 1)
    await using _ = await settlementOf(world, provider, { maxAgeMs: 10 ** 9 })
    await world.advance(700_000)
    expect(world.chain.state().leases.get(lease!.id)).toMatchObject({
      state: 'closed',
      claimedMicroUsd: lease!.paid,
    })
  })

  test('goes on after the chain was away', async () => {
    const world = providerWorld()
    await using provider = await world.start()
    const [lease] = await paidLeases(world, 1)
    await using _ = await settlementOf(world, provider, { maxAgeMs: 0 })
    world.chain.setAvailable(false)
    await world.advance(60_000)
    world.chain.setAvailable(true)
    await world.advance(10_000)
    expect(world.chain.state().earned.get(world.provider.address)).toBe(lease!.paid)
  })

  test('finds the one claim that the chain refuses and redeems the others', async () => {
    const world = providerWorld()
    await using provider = await world.start()
    const leases = await paidLeases(world, 7)
    const forged = leases[3]!
    const claimables = async () =>
      (await provider.claimables()).map((entry) =>
        entry.key.nonce === forged.nonce && entry.voucher
          ? { ...entry, voucher: { ...entry.voucher, signature: leases[0]!.signature } }
          : entry,
      )
    await using settlement = await startSettlement(
      {
        chain: world.chain.connect(world.provider),
        clock: world.clock,
        logger: silentLogger(),
        claimables,
      },
      { intervalMs: 10 ** 9, maxAgeMs: 0 },
    )
    await world.drive(settlement.settle())
    const claimed = leases.map(({ id }) => world.chain.state().leases.get(id)?.claimedMicroUsd)
    expect(claimed).toEqual(leases.map((lease) => (lease === forged ? 0n : lease.paid)))
    expect(await world.drive(settlement.settle())).toMatchObject({ vouchers: 0 })
  })

  test('withdraws earnings when there are enough', async () => {
    const world = providerWorld()
    await using provider = await world.start({ stakeMicroUsd: 0n })
    const [lease] = await paidLeases(world, 1)
    await using settlement = await settlementOf(world, provider, {
      intervalMs: 10 ** 9,
      maxAgeMs: 0,
      withdrawAboveMicroUsd: lease!.paid,
    })
    await world.drive(settlement.settle())
    await world.drive(settlement.settle())
    expect(world.chain.state().balances.get(world.provider.address)).toBe(10_000_000n + lease!.paid)
  })
})

async function settlementOf(
  world: ProviderWorld,
  { claimables }: { claimables: startSettlement.Ports['claimables'] },
  options: startSettlement.Options = {},
) {
  const { clock } = world
  const chain = world.chain.connect(world.provider)
  const ports = { chain, clock, logger: silentLogger(), claimables }
  return await startSettlement(ports, { intervalMs: 1_000, ...options })
}

/** Leases of buyers of their own, each with one paid job. */
async function paidLeases(world: ProviderWorld, count: number) {
  const leases = []
  for (let index = 0; index < count; index++) {
    const buyer = await world.buyer(`buyer ${index}`)
    const { id, lease } = await world.drive(buyer.open())
    await world.drive(buyer.ready(id))
    const job = await world.drive(buyer.job(id, { seed: index }))
    const paid = job.receipt.message.priceMicroUsd
    await world.drive(buyer.pay(id, paid, { paid: [job.id] }))
    const { signature } = buyer.makeVoucher(id, paid)
    leases.push({ id, buyer, paid, signature, nonce: lease.message.nonce })
  }
  return leases
}

/** The provider's chain, which counts what it sends. */
function watched(world: ProviderWorld) {
  const chain = world.chain.connect(world.provider)
  const actions: string[] = []
  const counting: Chain = {
    ...chain,
    send(action, options) {
      actions.push(action.type)
      return chain.send(action, options)
    },
  }
  return { chain: counting, sent: (type: string) => actions.filter((a) => a === type).length }
}
