import { describe, expect, test } from 'vitest'
import { honestEngine, wordRequest } from '../../test/engines.ts'
import { mortal } from '../../test/mortal.ts'
import { prices, providerWorld, type ProviderWorld } from '../../test/providerWorld.ts'
import type { Delivered, RawBuyer } from '../../test/rawBuyer.ts'
import type * as Exchange from '../protocol/Exchange.ts'
import * as Hex from '../protocol/Hex.ts'
import * as Lease from '../protocol/Lease.ts'
import { codeOf } from '../runtime/Errors.ts'
import { silentLogger } from '../runtime/silentLogger.ts'
import { startSettlement } from '../settlement/startSettlement.ts'
import { startProvider } from './startProvider.ts'

describe('a provider that dies', () => {
  test.each(['before', 'after'] as const)(
    '%s any call of its life to store, chain or network loses nothing',
    async (when) => {
      const { calls } = await live({})
      expect(calls).toBeGreaterThan(60)
      for (let call = 1; call <= calls; call++) await live({ call, when })
    },
    300_000,
  )

  test('again and again loses nothing', async () => {
    await live({ call: 25, when: 'after', deaths: 6 })
    await live({ call: 23, when: 'before', deaths: 6 })
  })
})

/** A buyer's whole dealings with a provider that dies on the way and comes back with the same store. */
async function live(options: {
  call?: number
  when?: 'before' | 'after'
  deaths?: number
}): Promise<{ calls: number }> {
  const world = providerWorld()
  const buyer = await world.buyer()
  const process = supervised(world, options)
  await process.start()
  const { again } = process

  const lease = await open(again, buyer)
  const delivered = new Map<Hex.Hex, Delivered>()
  const run = async (body: Exchange.JobRequest) => {
    const result = await again(() => buyer.run(body))
    delivered.set(result.id, result)
    return result
  }
  await run(buyer.makeJob(lease, wordRequest({ maxTokens: 4 })))
  await again(() => buyer.ready(lease))
  const first = await run(buyer.makeJob(lease, wordRequest({ seed: 1 })))
  const paid = first.receipt.message.priceMicroUsd
  await again(() => buyer.pay(lease, paid, { paid: [first.id] }))
  const second = await run(buyer.makeJob(lease, wordRequest({ seed: 2 })))
  const refused = [{ job: second.id, reason: { code: 'Verdict.invalid', message: 'Wrong.' } }]
  await again(() => buyer.pay(lease, paid, { refused }))
  const third = await run(buyer.makeJob(lease, wordRequest({ seed: 3 })))
  const total = paid + third.receipt.message.priceMicroUsd
  await again(() => buyer.pay(lease, total, { paid: [third.id] }))
  await again(() => buyer.close(lease).catch(unless('Provider.UnknownLeaseError')))
  await process.advance(45_000)

  const at = `died ${options.when} call ${options.call}`
  await checkReceipts(world, lease, delivered, { paid: [first.id, third.id], refused: [second.id] })
  expect(world.chain.state().leases.get(lease), at).toMatchObject({
    state: 'closed',
    claimedMicroUsd: total,
  })
  expect(world.chain.state().earned.get(world.provider.address), at).toBe(total)
  const deposit = world.chain.state().deposits.get(buyer.identity.address)
  expect(deposit).toMatchObject({ freeMicroUsd: 1_000_000n - total, reservedMicroUsd: 0n })
  expect(await world.store.list('provider-leases'), at).toEqual([])
  return { calls: process.calls() }
}

/** Every receipt that the buyer holds is in the journal, once, in the right state. */
async function checkReceipts(
  world: ProviderWorld,
  lease: Hex.Hex,
  delivered: ReadonlyMap<Hex.Hex, Delivered>,
  { paid, refused }: { paid: readonly Hex.Hex[]; refused: readonly Hex.Hex[] },
): Promise<void> {
  const rows = await world.store.list('provider-receipts', { prefix: lease })
  const states = new Map(
    rows.map(({ key, value }) => [key.split('/')[1] as Hex.Hex, JSON.parse(value)]),
  )
  for (const [id, { receipt }] of delivered)
    expect(states.get(id)?.receipt.signature).toBe(receipt.signature)
  for (const id of paid) expect(states.get(id)?.state).toBe('paid')
  for (const id of refused) expect(states.get(id)?.state).toBe('refused')
  expect(states.size).toBe(delivered.size)
}

type Again = <result>(step: () => Promise<result>) => Promise<result>

/** Orders until there is a lease; the same signed lease is sent until the chain has it. */
async function open(again: Again, buyer: RawBuyer): Promise<Hex.Hex> {
  for (;;) {
    const reply = await again(() => buyer.order())
    if (reply.type !== 'bid') throw new Error(JSON.stringify(reply.reasons))
    const lease = buyer.makeLease(reply.bid)
    const sent = await again(() =>
      buyer.send(lease).catch(unless('Provider.UnknownBidError', 'Provider.LeaseNotOpenError')),
    )
    if (sent) return Lease.id(lease.message)
  }
}

function unless(...codes: readonly string[]) {
  return (error: unknown) => {
    if (!codes.includes(codeOf(error))) throw error
  }
}

/** Runs provider and settlement as one process that is started again when it has died. */
function supervised(
  world: ProviderWorld,
  {
    call,
    when = 'before',
    deaths = 1,
  }: { call?: number; when?: 'before' | 'after'; deaths?: number },
) {
  const { clock } = world
  let life = mortal({ clock })
  let lives = 0

  async function start(): Promise<void> {
    // A life may end while it starts.
    for (;;) {
      const mine = mortal({
        clock,
        call: lives++ < deaths ? call : undefined,
        when,
        onDeath: () => world.network.crash(world.provider.peerId),
      })
      life = mine
      const started = begin(mine)
      const ended = watch(started)
      while (!ended() && !mine.dead()) await world.advance(100)
      if (!mine.dead()) return await started
    }
  }

  async function begin(mine: typeof life): Promise<void> {
    const { random } = world
    const chain = mine.chain(world.chain.connect(world.provider))
    const logger = silentLogger()
    const provider = await startProvider(
      {
        identity: world.provider,
        chain,
        network: mine.network(world.network.join(world.provider.peerId)),
        engine: honestEngine(),
        store: mine.store(world.store),
        clock,
        random,
        logger,
      },
      { prices, concurrency: 2, stakeMicroUsd: 1_000_000n, reconcileIntervalMs: 4_000 },
    )
    const { claimables } = provider
    await startSettlement(
      { chain, clock, logger, claimables },
      { intervalMs: 4_000, maxAgeMs: 4_000 },
    )
  }

  const revive = async () => {
    if (life.dead()) await start()
  }
  /** Repeats a step until it comes through; only a death is an excuse. */
  const again: Again = async (step) => {
    for (;;) {
      await revive()
      const work = step()
      const ended = watch(work)
      while (!ended() && !life.dead()) await world.advance(100)
      try {
        return await world.drive(work)
      } catch (error) {
        if (!life.dead()) throw error
      }
    }
  }

  return {
    start,
    calls: () => life.calls(),
    async advance(ms: number) {
      for (let left = ms; left > 0; left -= 1_000) {
        await revive()
        await world.advance(Math.min(left, 1_000))
      }
      await revive()
    },
    again,
  }
}

/** Says whether work has come to an end, without waiting for it. */
function watch(work: Promise<unknown>): () => boolean {
  let ended = false
  const end = () => void (ended = true)
  work.then(end, end)
  return () => ended
}
