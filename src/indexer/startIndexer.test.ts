import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { explorerWorld, usualStory, type Gossip } from '../../test/explorerWorld.ts'
import { seededRandom } from '../runtime/seededRandom.ts'
import { silentLogger } from '../runtime/silentLogger.ts'
import { virtualClock, type VirtualClock } from '../runtime/virtualClock.ts'
import * as Receipt from '../protocol/Receipt.ts'
import { topics } from '../protocol/Exchange.ts'
import { startIndexer, type Indexer } from './startIndexer.ts'
import { readJob, readJobs } from './tables/readJobs.ts'
import { readNetwork, readProviders } from './tables/readNetwork.ts'
import { tables } from './tables/schema.ts'
import type { Database } from './openDatabase.ts'

describe('startIndexer', () => {
  test('fills the tables from the chain and from gossip', async () => {
    await using setup = await start()
    const { story, indexer, clock } = await setup.tell()

    expect(readNetwork(indexer.database, clock.now())).toMatchObject({
      providers: { online: 2, known: 2 },
      jobs: { delivered: 6, running: 0, failed: 0, probes: 2 },
      checks: { verified: 3, rejected: 3, unavailable: 0, pending: 0 },
      tokens: { input: 144, output: 576 },
      leases: { open: 2, settled: 0 },
      money: { deposited: '10000000', reserved: '3999937', claimed: '63', free: '6000000' },
      conservation: { balance: '10000000', expected: '10000000', conserved: true },
    })
    const first = readJob(indexer.database, story.delivered[0]!.receipt.job)!
    expect(first.timeline.map(({ code, role }) => `${code} by ${role}`)).toEqual([
      'order-created by buyer',
      'order-bid by buyer',
      'order-bid by buyer',
      'lease-signed by buyer',
      'lease-opened by chain',
      'lease-open by provider',
      'lease-ready by buyer',
      'job-start by provider',
      'job-delivered by provider',
      'receipt-signed by provider',
      'verdict-valid by validator',
      'payment-signed by buyer',
      'claimed by chain',
    ])
    expect(first).toMatchObject({
      order: story.orderId,
      claimed: true,
      job: {
        assurance: { tier: 'statistical', state: 'verified', method: 'rerun' },
        check: 'valid',
        payment: 'signed',
        price: '21',
      },
    })
    const second = readJob(indexer.database, story.delivered[1]!.receipt.job)!
    expect(second).toMatchObject({
      claimed: false,
      job: {
        assurance: { tier: 'statistical', state: 'challenged', method: 'rerun' },
        reason: 'Rerun.OutputDiffers',
        payment: 'withheld',
      },
    })
  })

  test('makes the same tables of the same messages in any order, told twice', async () => {
    await using setup = await start()
    const { indexer, clock, world, story } = await setup.tell()
    const expected = dump(indexer.database)
    const receipts = setup.world.said.length

    for (let seed = 1; seed <= 12; seed++) {
      const random = seededRandom(seed)
      const path = ':memory:'
      const late = await startIndexer(
        {
          chain: story.buyer.chain,
          network: world.network.join(`late ${seed}`),
          clock,
          logger: silentLogger(),
        },
        { path, validators: [story.validator.identity.address] },
      )
      const told = shuffle([...world.said, ...world.said], () => random.next())
      const half = Math.floor(random.next() * told.length)
      await publish(world, told.slice(0, half))
      if (random.next() < 0.5) await clock.run(clock.now() + 1_100)
      await publish(world, told.slice(half))
      await clock.run(clock.now() + 1_100)
      expect(dump(late.database), `seed ${seed}`).toEqual(expected)
      await late[Symbol.asyncDispose]()
    }
    expect(receipts).toBeGreaterThan(40)
  })

  test('rolls back with the chain, and follows it again', async () => {
    await using setup = await start()
    const { indexer, clock, world, story } = await setup.tell()
    const before = dump(indexer.database)
    const height = Number((await story.buyer.chain.head()).number)

    world.ledger.rollback(1)
    await clock.run(clock.now() + 1_100)
    expect(readNetwork(indexer.database, clock.now()).money).toMatchObject({ claimed: '0' })
    expect(readJob(indexer.database, story.delivered[0]!.receipt.job)).toMatchObject({
      claimed: false,
    })

    await world.claim(story.leases[0]!)
    await clock.run(clock.now() + 1_100)
    expect(readNetwork(indexer.database, clock.now()).money).toMatchObject({ claimed: '63' })

    world.ledger.rollback(height)
    await clock.run(clock.now() + 1_100)
    const empty = readNetwork(indexer.database, clock.now())
    expect(empty).toMatchObject({ jobs: { delivered: 0 }, leases: { open: 0, settled: 0 } })
    expect(empty.money).toMatchObject({ deposited: '0', reserved: '0' })
    expect(before['receipts']).toEqual(dump(indexer.database)['receipts'])
  })

  test('finds a chain that was replaced while it was down, far below the usual depth', async () => {
    await using setup = await start({ depth: 2 })
    const { clock, world, story } = await setup.tell()
    await setup.stop()
    world.ledger.rollback(8)
    for (let count = 0; count < 12; count++) await world.deposit(story.buyer, 1_000n)

    const indexer = await setup.resume()
    await clock.run(clock.now() + 1_100)

    const fresh = await setup.fresh()
    await clock.run(clock.now() + 1_100)
    for (const table of ['chain_events', 'money', 'accounts'])
      expect(dump(indexer.database)[table], table).toEqual(dump(fresh.database)[table])
  })

  test('goes on where it was killed, and reads only what is new', async () => {
    await using setup = await start({ pageBlocks: 3 })
    const { clock, world, story } = await setup.tell()
    await setup.stop()
    await world.deposit(story.buyer, 77n)

    const indexer = await setup.resume()
    await clock.run(clock.now() + 1_100)

    expect(readNetwork(indexer.database, clock.now()).money.deposited).toBe('10000077')
    expect(readJobs(indexer.database, { limit: 50 }).rows).toHaveLength(6)
  })

  test('waits for a chain that is down, and says so', async () => {
    await using setup = await start()
    const { indexer, clock, world } = await setup.tell()

    world.ledger.setAvailable(false)
    await clock.run(clock.now() + 1_100)
    expect(indexer.chain.state).toBe('unreachable')

    world.ledger.setAvailable(true)
    await clock.run(clock.now() + 1_100)
    expect(indexer.chain.state).toBe('live')
  })

  test('drops what is forged, expired, from the future, out of bounds or garbage', async () => {
    await using setup = await start()
    const { indexer, clock, world, story } = await setup.tell()
    const before = dump(indexer.database)
    const { honest, validator, leases, delivered } = story
    const { receipt } = delivered[0]!
    const sign = (message: Receipt.Receipt, by = honest) =>
      Receipt.serialize(Receipt.sign(world.domain, message, by.identity))

    await world.say(topics.receipts, sign({ ...receipt, priceMicroUsd: 0n }, validator))
    await world.say(topics.receipts, sign({ ...receipt, endedAt: clock.now() + 120_000 }))
    await world.say(topics.receipts, sign({ ...receipt, priceMicroUsd: 2n ** 90n }))
    await world.say(topics.receipts, sign({ ...receipt, outputTokens: 4096 }))
    await world.say(topics.receipts, sign({ ...receipt, startedAt: receipt.endedAt + 1 }))
    await world.say(topics.receipts, new TextEncoder().encode('{"message":{}}'))
    await world.say(topics.offers, new Uint8Array(50_000))
    await world.offer(honest, { issuedAt: clock.now() - 9_000, expiresAt: clock.now() - 1 })
    await world.offer(honest, { peerId: validator.identity.peerId })
    await world.offer(honest, { expiresAt: clock.now() + 8 * 86_400_000 })
    await world.judge(world.party(), delivered[0]!, 'invalid')
    await world.note(honest, 'job', receipt.job, 'job-nonsense' as 'job-start')
    await clock.run(clock.now() + 10)

    expect(dump(indexer.database)).toEqual(before)
    expect(leases).toHaveLength(2)
  })

  test('lets nobody but the parties speak about a lease or a job', async () => {
    await using setup = await start()
    const { indexer, clock, world, story } = await setup.tell()
    const stranger = world.party()
    const { receipt } = story.delivered[0]!
    const job = readJob(indexer.database, receipt.job)

    await world.note(stranger, 'job', receipt.job, 'job-refunded', { parent: receipt.lease })
    await world.note(stranger, 'lease', receipt.lease, 'lease-paused')
    const forged = { ...receipt, provider: stranger.identity.address, priceMicroUsd: 9n }
    const signed = Receipt.sign(world.domain, forged, stranger.identity)
    await world.say(topics.receipts, Receipt.serialize(signed))
    await clock.run(clock.now() + 10)

    expect(readJob(indexer.database, receipt.job)).toEqual(job)
  })

  test('keeps the newest rows of a peer that floods, and few of strangers', async () => {
    await using setup = await start({ limits: { rowsPerAccount: 20, rowsOfStrangers: 5 } })
    const { indexer, clock, world, story } = await setup.tell()
    const stranger = world.party()
    for (let count = 0; count < 60; count++) {
      await world.note(story.buyer, 'job', story.delivered[0]!.receipt.job, 'job-start')
      await world.note(stranger, 'job', story.delivered[0]!.receipt.job, 'job-start')
      await clock.run(clock.now() + 10)
    }
    await clock.run(clock.now() + 61_000)

    const count = (address: string) =>
      indexer.database.get<{ count: number }>(
        `SELECT count(*) AS count FROM timeline WHERE account = ?`,
        address,
      )!.count
    expect(count(story.buyer.identity.address)).toBe(20)
    expect(count(stranger.identity.address)).toBe(5)
    expect(readJobs(indexer.database, { limit: 50 }).rows).toHaveLength(6)
  })

  test('reads no more from a neighbour than its allowance', async () => {
    await using setup = await start({ messagesPerSecond: 1 })
    const stranger = setup.world.party()
    for (let count = 0; count < 50; count++)
      await setup.world.note(stranger, 'job', setup.world.party().identity.address, 'job-start')
    for (let count = 0; count < 50; count++) await setup.world.offer(setup.world.party())
    await setup.clock.run(setup.clock.now() + 10)
    expect(readProviders(setup.indexer.database, setup.clock.now()).length).toBeLessThanOrEqual(10)
  })

  test('counts the minutes in which a provider was heard', async () => {
    await using setup = await start()
    const { indexer, clock, world, story } = await setup.tell()
    for (let minute = 0; minute < 10; minute++) {
      await clock.run(clock.now() + 60_000)
      await world.offer(story.honest)
      if (minute < 3) await world.offer(story.wrong)
      await clock.run(clock.now() + 100)
    }
    const providers = readProviders(indexer.database, clock.now())
    const of = (address: string) => providers.find((row) => row.address === address)!
    expect(of(story.honest.identity.address)).toMatchObject({ online: true, uptime: { share: 1 } })
    const share = of(story.wrong.identity.address).uptime.share!
    expect(share).toBeGreaterThan(0.3)
    expect(share).toBeLessThan(0.45)
    expect(of(story.wrong.identity.address).online).toBe(false)
  })
})

async function start(options: Partial<startIndexer.Options> = {}) {
  const clock = virtualClock()
  const world = explorerWorld(clock)
  // The same seed gives the story the same keys, so the validator is known before it speaks.
  const validators: `0x${string}`[] = []
  const folder = mkdtempSync(join(tmpdir(), 'weft-indexer-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const running: Indexer[] = []
  const begin = async (path: string) => {
    const chain = world.ledger.connect(world.domain.vault)
    const network = world.network.join(`explorer ${running.length}`)
    const ports = { chain, network, clock, logger: silentLogger() }
    const indexer = await startIndexer(ports, { path, validators, ...options })
    running.push(indexer)
    return indexer
  }
  const indexer = await begin(join(folder, 'explorer.sqlite'))
  return {
    clock,
    world,
    indexer,
    async tell() {
      const party = world.party
      let parties = 0
      world.party = () => {
        const made = party()
        if (++parties === 2) validators.push(made.identity.address)
        return made
      }
      const story = await usualStory(world, { pass: passing(clock) })
      await clock.run(clock.now() + 2_000)
      return { story, indexer, clock, world }
    },
    stop: () => running.at(-1)![Symbol.asyncDispose](),
    resume: () => begin(join(folder, 'explorer.sqlite')),
    fresh: () => begin(':memory:'),
    async [Symbol.asyncDispose]() {
      for (const each of running) await each[Symbol.asyncDispose]()
    },
  }
}

function passing(clock: VirtualClock) {
  return (ms: number) => clock.run(clock.now() + ms)
}

async function publish(world: ReturnType<typeof explorerWorld>, messages: readonly Gossip[]) {
  const speaker = world.network.join('teller')
  for (const { topic, body } of messages) await speaker.publish(topic, body)
}

function shuffle<item>(items: readonly item[], next: () => number): readonly item[] {
  return items
    .map((item) => [next(), item] as const)
    .toSorted(([a], [b]) => a - b)
    .map(([, item]) => item)
}

function dump(database: Database): Readonly<Record<string, readonly unknown[]>> {
  return Object.fromEntries(
    tables
      .filter((table) => table !== 'presence')
      .map((table) => [table, database.all(`SELECT * FROM ${table} ORDER BY 1, 2`)]),
  )
}
