import { describe, expect, test } from 'vitest'
import * as Identity from '../protocol/Identity.ts'
import { seededRandom } from '../runtime/seededRandom.ts'
import { virtualClock } from '../runtime/virtualClock.ts'
import { play } from '../verification/dispute/Game.ts'
import { chainCompliance } from './compliance.ts'
import { fund, type Party } from './complianceSetup.ts'
import { memoryChain } from './memory.ts'

const identities = [1, 2, 3, 4].map((byte) => Identity.from(new Uint8Array(32).fill(byte)))
const [buyer, provider, stranger, court] = identities as [
  Identity.Identity,
  Identity.Identity,
  Identity.Identity,
  Identity.Identity,
]

describe('memoryChain', () => {
  chainCompliance(async ({ disputesAreCourt } = { disputesAreCourt: false }) => {
    const clock = virtualClock()
    const options = disputesAreCourt ? {} : { court: court.address }
    const chain = memoryChain({ clock, game: play }, { blockTimeMs: 0, ...options })
    const party = (identity: Identity.Identity): Party => ({
      identity,
      chain: chain.connect(identity),
    })
    return {
      buyer: party(buyer),
      provider: party(provider),
      stranger: party(stranger),
      court: party(court),
      elapse: (seconds) => clock.run(clock.now() + seconds * 1000),
      [Symbol.asyncDispose]: async () => {},
    }
  })

  test('puts transactions into the next block of its clock', async () => {
    const { clock, chain, party } = start({ blockTimeMs: 1000 })
    chain.mint(buyer.address, 100n)
    const deposit = { type: 'deposit', buyer: buyer.address, amountMicroUsd: 10n } as const
    const sends = Promise.all([party.chain.send(deposit), party.chain.send(deposit)])
    await clock.run(clock.now() + 999)
    expect((await party.chain.deposit(buyer.address)).freeMicroUsd).toBe(0n)
    await clock.run(clock.now() + 1)
    expect((await sends).map(({ block }) => block)).toEqual([1n, 1n])
    expect((await party.chain.deposit(buyer.address)).freeMicroUsd).toBe(20n)
    await clock.run(clock.now() + 5000)
    expect(await party.chain.head()).toMatchObject({ number: 6n })
  })

  test('takes time to be reached', async () => {
    const { clock, party } = start({ blockTimeMs: 1000, delayMs: 40 })
    const before = clock.now()
    const read = party.chain.head().then(() => clock.now() - before)
    await clock.run(before + 100)
    expect(await read).toBe(40)
  })

  test('forgets the transactions of blocks that are rolled back, and keeps minted money', async () => {
    const { clock, chain, party } = start({ blockTimeMs: 1000 })
    chain.mint(buyer.address, 100n)
    const deposit = async (amountMicroUsd: bigint) => {
      const sent = party.chain.send({ type: 'deposit', buyer: buyer.address, amountMicroUsd })
      await clock.run(clock.now() + 1000)
      return await sent
    }
    await deposit(10n)
    await deposit(20n)
    const before = await party.chain.events({ from: 0n, to: 9n })
    const hashes = before.map(({ blockHash }) => blockHash)
    chain.mint(buyer.address, 5n)
    const head = await party.chain.head()
    chain.rollback(1)
    expect(await party.chain.events({ from: 0n, to: 9n })).toEqual(before.slice(0, 1))
    expect((await party.chain.deposit(buyer.address)).freeMicroUsd).toBe(10n)
    expect(await party.chain.balance(buyer.address)).toBe(95n)
    const after = await party.chain.head()
    expect(after.number).toBe(head.number)
    expect(after.hash).not.toBe(hashes[1])
    await deposit(20n)
    expect((await party.chain.deposit(buyer.address)).freeMicroUsd).toBe(30n)
    chain.rollback(100)
    expect(chain.totals()).toMatchObject({
      freeMicroUsd: 0n,
      vaultMicroUsd: 0n,
      supplyMicroUsd: 105n,
    })
  })

  test('says so when it cannot be reached, and leaves open whether a transaction happened', async () => {
    const { clock, chain, party } = start({ blockTimeMs: 1000 })
    chain.mint(buyer.address, 1000n)
    const deposit = { type: 'deposit', buyer: buyer.address, amountMicroUsd: 1n } as const
    const sends = Promise.allSettled(Array.from({ length: 64 }, () => party.chain.send(deposit)))
    await clock.run(clock.now() + 10)
    chain.setAvailable(false)
    const unavailable = { code: 'Chain.UnavailableError' }
    for (const result of await sends)
      expect(result).toMatchObject({ status: 'rejected', reason: unavailable })
    await expect(party.chain.head()).rejects.toMatchObject(unavailable)
    await expect(party.chain.send(deposit)).rejects.toMatchObject(unavailable)
    await clock.run(clock.now() + 2000)
    chain.setAvailable(true)
    const { freeMicroUsd } = await party.chain.deposit(buyer.address)
    expect(freeMicroUsd).toBeGreaterThan(10n)
    expect(freeMicroUsd).toBeLessThan(54n)
  })

  test('stops waiting when the signal says so', async () => {
    const { clock, chain, party } = start({ blockTimeMs: 1000 })
    chain.mint(buyer.address, 1n)
    const controller = new AbortController()
    const deposit = { type: 'deposit', buyer: buyer.address, amountMicroUsd: 1n } as const
    const sent = party.chain.send(deposit, { signal: controller.signal })
    await clock.run(clock.now() + 10)
    const reason = new Error('enough')
    controller.abort(reason)
    await expect(sent).rejects.toBe(reason)
    await expect(party.chain.send(deposit, { signal: controller.signal })).rejects.toBe(reason)
  })

  test('replays exactly', async () => {
    const history = async () => {
      const { clock, chain, party } = start({ blockTimeMs: 1000 })
      const running = fund(party, 100n)
      await clock.run(clock.now() + 5000)
      await running
      chain.rollback(1)
      return [await party.chain.head(), await party.chain.events({ from: 0n, to: 10n })]
    }
    expect(await history()).toEqual(await history())
  })

  test('keeps the sums it tells', async () => {
    const { chain, party } = start({ blockTimeMs: 0 })
    await fund(party, 100n)
    expect(chain.totals()).toEqual({
      freeMicroUsd: 100n,
      reservedMicroUsd: 0n,
      earnedMicroUsd: 0n,
      vaultMicroUsd: 100n,
      stakedMicroUsd: 0n,
      registryMicroUsd: 0n,
      supplyMicroUsd: 100n,
      creditMicroUsd: 0n,
      disputesMicroUsd: 0n,
    })
  })
})

function start(options: memoryChain.Options) {
  const clock = virtualClock()
  const chain = memoryChain({ clock, random: seededRandom(1) }, options)
  return { clock, chain, party: { identity: buyer, chain: chain.connect(buyer) } }
}
