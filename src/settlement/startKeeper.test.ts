import { describe, expect, test } from 'vitest'
import { providerWorld } from '../../test/providerWorld.ts'
import { silentLogger } from '../runtime/silentLogger.ts'
import { startKeeper } from './startKeeper.ts'

describe('startKeeper', () => {
  test('returns the funds of an expired lease whose provider is gone', async () => {
    const world = providerWorld()
    const provider = await world.start()
    const buyer = await world.buyer()
    const { id, lease } = await world.drive(buyer.open())
    await world.drive(provider[Symbol.asyncDispose]())
    await using keeper = await startKeeper({
      chain: world.chain.connect(buyer.identity),
      clock: world.clock,
      logger: silentLogger(),
      leases: async () => [lease.message],
    })
    expect(await world.drive(keeper.keep())).toBe(0)
    await world.advance(700_000)
    expect(world.chain.state().leases.get(id)?.state).toBe('closed')
    expect(world.chain.state().deposits.get(buyer.identity.address)?.freeMicroUsd).toBe(1_000_000n)
    expect(await world.drive(keeper.keep())).toBe(0)
  })

  test('goes on after the chain was away', async () => {
    const world = providerWorld()
    await using _ = await world.start()
    const buyer = await world.buyer()
    const { id, lease } = await world.drive(buyer.open())
    await using keeper = await startKeeper(
      {
        chain: world.chain.connect(buyer.identity),
        clock: world.clock,
        logger: silentLogger(),
        leases: async () => [lease.message],
      },
      { graceSeconds: 0, intervalMs: 1_000 },
    )
    world.chain.setAvailable(false)
    await world.advance(700_000)
    await expect(keeper.keep()).rejects.toMatchObject({ code: 'Chain.UnavailableError' })
    world.chain.setAvailable(true)
    await world.advance(3_000)
    expect(world.chain.state().leases.get(id)?.state).toBe('closed')
  })
})
