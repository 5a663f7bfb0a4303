import { beforeEach, describe, expect, test } from 'vitest'
import { identityOf } from '../../test/providerWorld.ts'
import { receiptOf } from '../../test/receipts.ts'
import * as Bid from '../protocol/Bid.ts'
import * as Hex from '../protocol/Hex.ts'
import * as Lease from '../protocol/Lease.ts'
import * as Order from '../protocol/Order.ts'
import type { Logger } from '../runtime/Logger.ts'
import { memoryStore } from '../runtime/memoryStore.ts'
import { silentLogger } from '../runtime/silentLogger.ts'
import type { Store } from '../runtime/Store.ts'
import { virtualClock } from '../runtime/virtualClock.ts'
import { addJob, openJournal, saveDebt, saveReceipt, type Deal } from './Journal.ts'
import { openLeaseBook } from './LeaseBook.ts'

const buyer = identityOf('buyer')
const provider = identityOf('provider')
const { domain, receipt, facts } = receiptOf()
const clock = virtualClock()
let store: Store
let full = false

beforeEach(() => {
  const disk = memoryStore()
  store = {
    ...disk,
    async write(writes) {
      if (full) throw new Error('The disk is full.')
      await disk.write(writes)
    },
  }
})

describe('openLeaseBook', () => {
  test('finds everything again that it was told', async () => {
    const { book } = await open()
    const held = await book.add(dealOf(1n))
    const meter = { ...held.progress.meter, state: 'ready', readyAt: 7 } as const
    await book.change(held, () => ({ meter, transaction: Hex.zero }))
    const again = (await open()).book
    expect(again.size).toBe(1)
    expect(again.all()[0]).toEqual({ ...held, progress: { ...held.progress, meter } })
  })

  test('finds the receipts that are not paid, and drops them when they are', async () => {
    const { book, journal } = await open()
    const held = await book.add(dealOf(1n))
    const own = receiptOf({ lease: held.id }).receipt
    const row = { evidence: { ...facts, receipt: own }, readers: [] }
    await book.change(held, () => ({ writes: addJob(row, clock.now()) }))
    const [found] = (await open()).book.all()
    expect([...found!.unpaid.values()]).toEqual([own])
    await journal.write(saveReceipt({ receipt: own, state: 'paid' }))
    expect((await open()).book.all()[0]!.unpaid.size).toBe(0)
  })

  test('changes nothing when the disk is full', async () => {
    const { book } = await open()
    const held = await book.add(dealOf(1n))
    const before = held.progress
    full = true
    await expect(book.change(held, () => ({ transaction: Hex.zero }))).rejects.toThrow('full')
    await expect(book.add(dealOf(2n))).rejects.toThrow('full')
    await expect(book.settle(held, [])).rejects.toThrow('full')
    full = false
    expect(held.progress).toBe(before)
    expect(book.size).toBe(1)
    await book.change(held, () => ({ transaction: Hex.zero }))
    expect(held.progress.transaction).toBe(Hex.zero)
  })

  test('makes changes of one lease one after another', async () => {
    const { book } = await open()
    const held = await book.add(dealOf(1n))
    const add = () =>
      book.change(held, () => ({ claimedMicroUsd: held.progress.claimedMicroUsd + 1n }))
    await Promise.all(Array.from({ length: 50 }, add))
    expect(held.progress.claimedMicroUsd).toBe(50n)
  })

  test('knows whose lease is whose', async () => {
    const { book } = await open()
    const held = await book.add(dealOf(1n))
    expect(book.of(buyer.address, held.id)).toBe(held)
    expect(book.countOf(buyer.address)).toBe(1)
    expect(book.countOf(provider.address)).toBe(0)
    expect(() => book.of(provider.address, held.id)).toThrow('You hold no lease')
    expect(() => book.of(buyer.address, Hex.zero)).toThrow('You hold no lease')
  })

  test('changes nothing in a lease that is settled or forgotten', async () => {
    const { book } = await open()
    const settled = await book.add(dealOf(1n))
    const forgotten = await book.add(dealOf(2n))
    await book.settle(settled, [])
    await book.forget(forgotten)
    for (const held of [settled, forgotten])
      await expect(book.change(held, () => ({ transaction: Hex.zero }))).rejects.toMatchObject({
        code: 'Provider.LeaseClosedError',
      })
    expect(await store.list('provider-leases')).toEqual([])
    expect(await store.list('provider-meters')).toEqual([])
    expect(await store.list('provider-settled')).toHaveLength(1)
  })

  test('leaves rows alone that it cannot read, and says so', async () => {
    const { book } = await open()
    await book.add(dealOf(1n))
    await store.write([{ table: 'provider-leases', key: '0xbad', value: '{"lease":1}' }])
    await store.write([{ table: 'provider-leases', key: '0xworse', value: 'not JSON' }])
    const said: string[] = []
    const logger: Logger = { ...silentLogger(), error: (_, message) => void said.push(message) }
    expect((await open(logger)).book.size).toBe(1)
    expect(said).toHaveLength(2)
    expect(await store.list('provider-leases')).toHaveLength(3)
  })
})

describe('openJournal', () => {
  test('deletes receipts a while after their lease is settled', async () => {
    const { book, journal } = await open()
    const held = await book.add(dealOf(1n))
    const own = receiptOf({ lease: held.id }).receipt
    await journal.write(saveReceipt({ receipt: own, state: 'paid' }))
    await book.settle(held, [])
    await journal.prune(clock.now() + 6 * 86_400_000)
    expect(await journal.receipt(held.id, own.message.job)).toMatchObject({ state: 'paid' })
    await journal.prune(clock.now() + 8 * 86_400_000)
    expect(await journal.receipt(held.id, own.message.job)).toBeUndefined()
    expect(await store.list('provider-settled')).toEqual([])
  })

  test('forgives debts after a day', async () => {
    const { journal } = await open()
    await journal.write([saveDebt(buyer.address, 5n, clock.now())])
    await journal.prune(clock.now() + 1_000)
    expect(await journal.debtMicroUsd(buyer.address)).toBe(5n)
    await journal.prune(clock.now() + 86_400_001)
    expect(await journal.debtMicroUsd(buyer.address)).toBe(0n)
  })

  test('keeps no more evidence than it may', async () => {
    const { journal } = await open(silentLogger(), { evidenceLimit: 3 })
    for (let index = 0; index < 8; index++) {
      const job = Hex.sha256(`job ${index}`)
      const row = { evidence: { ...facts, receipt: receiptOf({ job }).receipt }, readers: [] }
      await journal.write(addJob(row, clock.now() + index))
    }
    await journal.prune(clock.now())
    expect(await store.list('provider-evidence')).toHaveLength(3)
    expect(await journal.evidence(Hex.sha256('job 7'))).toBeDefined()
    expect(await journal.evidence(Hex.sha256('job 4'))).toBeUndefined()
    expect(receipt.message.job).toBeDefined()
  })
})

async function open(logger: Logger = silentLogger(), options: openJournal.Options = {}) {
  const journal = await openJournal({ store, logger }, options)
  return { journal, book: await openLeaseBook({ journal, clock }) }
}

function dealOf(nonce: bigint): Deal {
  const order: Order.Order = {
    nonce: Hex.zero,
    buyer: buyer.address,
    model: 'words',
    weights: Hex.zero,
    tier: 'unverified',
    maxInputMicroUsdPerMillion: 1n,
    maxOutputMicroUsdPerMillion: 1n,
    budgetMicroUsd: 1n,
    durationMs: 1,
    concurrency: 1,
    validators: [],
    createdAt: 1,
    expiresAt: 2,
  }
  const bid: Bid.Bid = {
    order: Order.hash(domain, order),
    provider: provider.address,
    model: 'words',
    weights: Hex.zero,
    quantisation: 'none',
    engine: 'words 1',
    tier: 'unverified',
    inputMicroUsdPerMillion: 1n,
    outputMicroUsdPerMillion: 1n,
    concurrency: 1,
    creditMicroUsd: 1n,
    expiresAt: 2,
  }
  const lease: Lease.Lease = {
    buyer: buyer.address,
    provider: provider.address,
    nonce,
    totalMicroUsd: 1n,
    expirySeconds: 1,
    deadlineSeconds: 1,
    terms: Bid.hash(domain, bid),
  }
  return {
    lease: Lease.sign(domain, lease, buyer),
    bid: Bid.sign(domain, bid, provider),
    order: Order.sign(domain, order, buyer),
  }
}
