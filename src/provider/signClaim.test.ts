import { describe, expect, test } from 'vitest'
import { claimedModel, claimingEngine, honestEngine, wordRequest } from '../../test/engines.ts'
import { providerWorld } from '../../test/providerWorld.ts'
import type { Engine } from '../engine/Engine.ts'
import * as ExactClaim from '../protocol/ExactClaim.ts'
import * as Exchange from '../protocol/Exchange.ts'
import * as Hex from '../protocol/Hex.ts'
import * as Json from '../protocol/Json.ts'
import { memoryStore } from '../runtime/memoryStore.ts'
import type { Store } from '../runtime/Store.ts'

const settings = { exactBondMicroUsd: 250_000n, challengeWindowMs: 60_000 }

/** A provider, and a buyer with a lease of a tier, not probed yet. */
async function begin(engine: Engine = claimingEngine(), tier = 'exact') {
  const world = providerWorld()
  const store = memoryStore()
  const provider = await world.start({ engine, store, ...settings })
  const buyer = await world.buyer()
  const lease = await world.drive(buyer.open({ order: { tier } }))
  return { world, store, provider, buyer, lease }
}

/** Ids of the claims that are kept. */
const kept = async (store: Store) => (await store.list('provider-claims')).map(({ key }) => key)

describe('signClaim', () => {
  test('answers for each answer of an exact lease, also for probes', async () => {
    const { world, provider, buyer, lease } = await begin()
    await using _ = provider
    const { id, claim, receipt } = await world.drive(buyer.job(lease.id))
    const { domain } = world.chain
    expect(ExactClaim.verify(domain, claim!)).toMatchObject({
      claimant: world.provider.address,
      job: id,
      graph: Hex.sha256('graph'),
      data: Hex.zero,
      seed0: 7,
      seed1: 0,
      worker: 0,
      bond: 250_000n,
      challengeUntil: Math.ceil((receipt.message.endedAt + 60_000) / 1000),
    })
    const { inputTokens, outputTokens } = receipt.message
    expect(claim!.message.steps).toBe(inputTokens + outputTokens - 1)
  })

  test('can be challenged for half of the time that the chain allows, unless it is told', async () => {
    const world = providerWorld()
    await using _ = await world.start({ engine: claimingEngine() })
    const buyer = await world.buyer()
    const lease = await world.drive(buyer.open({ order: { tier: 'exact' } }))
    const { claim, receipt } = await world.drive(buyer.job(lease.id))
    const { windowSeconds } = world.chain.parameters.disputes
    const until = receipt.message.endedAt / 1000 + windowSeconds / 2
    expect(claim!.message.challengeUntil).toBe(Math.ceil(until))
  })

  test('is not done in a lease of another tier', async () => {
    const model = { ...claimedModel, tiers: ['exact', 'unverified'] } as const
    const { world, store, provider, buyer, lease } = await begin(
      claimingEngine({ model }),
      'unverified',
    )
    await using _ = provider
    expect((await world.drive(buyer.job(lease.id))).claim).toBeUndefined()
    expect(await kept(store)).toEqual([])
  })

  test('is handed out with the evidence, and again when the job is sent again', async () => {
    const { world, provider, buyer, lease } = await begin()
    await using _ = provider
    const body = buyer.makeJob(lease.id, wordRequest({ maxTokens: 4 }))
    const { id, claim } = await world.drive(buyer.run(body))
    expect((await world.drive(buyer.run(body))).claim).toEqual(claim)
    const reply = await world.drive(buyer.tell('evidence', { job: id }))
    const evidence = Json.decode(Exchange.evidence, reply, { what: 'Evidence' })
    expect(evidence.claim).toEqual(claim)
  })

  test('is remembered after a crash with what its run follows from, until nobody can dispute it', async () => {
    const { world, store, provider, buyer, lease } = await begin()
    const body = buyer.makeJob(lease.id, wordRequest({ maxTokens: 4 }))
    const { claim } = await world.drive(buyer.run(body))
    world.network.crash(world.provider.peerId)
    await provider[Symbol.asyncDispose]()
    await using again = await world.start({
      engine: claimingEngine(),
      store,
      claimKeepMs: 3_600_000,
    })
    const id = ExactClaim.hash(world.chain.domain, claim!.message)
    expect(await kept(store)).toEqual([id])
    expect(await again.claim(id)).toEqual({ claim, request: body.request })
    expect(await again.claim(Hex.zero)).toBeUndefined()
    await world.advance(3_500_000)
    expect(await kept(store)).toHaveLength(1)
    await world.advance(300_000)
    expect(await kept(store)).toEqual([])
    expect(await again.claim(id)).toBeUndefined()
  })

  test.each<[string, Engine]>([
    ['says no run', honestEngine({ model: claimedModel })],
    [
      'says a run of too few steps',
      claimingEngine({ change: (run) => ({ ...run, steps: run.steps - 1 }) }),
    ],
    [
      'says a run of too many steps',
      claimingEngine({ change: (run) => ({ ...run, steps: run.steps + 2 }) }),
    ],
  ])('is refused, and nothing is signed, when the engine %s', async (_, engine) => {
    const { world, store, provider, buyer, lease } = await begin(engine)
    await using _provider = provider
    await expect(world.drive(buyer.job(lease.id))).rejects.toMatchObject({
      code: 'Provider.EngineFaultError',
    })
    expect(await kept(store)).toEqual([])
    expect(provider.leases()).toMatchObject([{ deliveredMicroUsd: 0n }])
  })
})
