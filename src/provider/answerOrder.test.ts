import { describe, expect, test } from 'vitest'
import { providerWorld } from '../../test/providerWorld.ts'

describe('answerOrder', () => {
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
