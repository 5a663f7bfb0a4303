import { describe, expect, test } from 'vitest'
import { identityOf } from '../../../test/smallMarket.ts'
import { memoryChain } from '../../chain/memory.ts'
import { memoryNetwork } from '../../network/memory.ts'
import * as Bid from '../../protocol/Bid.ts'
import * as Exchange from '../../protocol/Exchange.ts'
import * as Hex from '../../protocol/Hex.ts'
import * as Json from '../../protocol/Json.ts'
import * as Lease from '../../protocol/Lease.ts'
import * as Voucher from '../../protocol/Voucher.ts'
import { memoryStore } from '../../runtime/memoryStore.ts'
import { seededRandom } from '../../runtime/seededRandom.ts'
import { silentLogger } from '../../runtime/silentLogger.ts'
import { WriteError, type Write } from '../../runtime/Store.ts'
import { virtualClock } from '../../runtime/virtualClock.ts'
import * as Settings from '../Settings.ts'
import { createBackground } from './background.ts'
import { createBell } from './bell.ts'
import type { Context } from './context.ts'
import { hold, rowOf, signedMicroUsd } from './held.ts'
import { createJournal } from './journal.ts'
import { createPayments, VoucherError } from './payments.ts'
import { openProviders } from './providers.ts'
import type { JobRow } from './rows.ts'

const [buyer, provider] = [identityOf(1), identityOf(2)]

/** A buyer's payments, and a provider that notes what it hears and may be away. */
async function start() {
  const clock = virtualClock()
  const random = seededRandom(1)
  const chain = memoryChain({ clock, random })
  const world = memoryNetwork({ clock, random })
  const disk = memoryStore()
  const state = { full: false, away: false }
  const store = {
    ...disk,
    async write(writes: readonly Write[]) {
      if (state.full) throw new WriteError({ cause: new Error('disk full'), path: 'disk' })
      await disk.write(writes)
    },
  }
  const heard: Exchange.Payment[] = []
  world.join(provider.peerId).handle(Exchange.protocols.payment, async function* (body) {
    if (state.away) throw new Error('away')
    heard.push(Json.decode(Exchange.payment, body, { what: 'Payment' }))
    yield Json.toBytes({})
  })
  const logger = silentLogger()
  const background = createBackground({ logger })
  const journal = createJournal({ store, clock, background })
  const context = {
    identity: buyer,
    chain: chain.connect(buyer),
    network: world.join(buyer.peerId),
    clock,
    random,
    logger,
    settings: Settings.from({}, chain.parameters),
    journal,
    providers: await openProviders({ journal, clock }),
    timeline: { note: () => {} },
    background,
    bell: createBell(),
    leases: new Map(),
    spent: { settledMicroUsd: 0n },
  } as Omit<Context, 'payments'>
  const payments = createPayments(context as Context)
  const held = hold(leaseRow(chain.domain, clock.now()))
  /** Pays, and lets the time pass in which jobs gather. */
  const pay = async (...jobs: readonly JobRow[]) => {
    const paid = Promise.all(jobs.map((each) => payments.pay(held, each)))
    paid.catch(() => {})
    await clock.run(clock.now() + 25)
    await paid
  }
  return { pay, clock, disk, state, heard, payments, held, domain: chain.domain, journal }
}

function leaseRow(domain: { chainId: number; vault: Hex.Hex }, now: number) {
  const lease: Lease.Lease = {
    buyer: buyer.address,
    provider: provider.address,
    nonce: 7n,
    totalMicroUsd: 100n,
    expirySeconds: now / 1000 + 600,
    deadlineSeconds: now / 1000 + 60,
    terms: Hex.zero,
  }
  const bid = {
    order: Hex.zero,
    provider: provider.address,
    model: 'words',
    weights: Hex.zero,
    quantisation: '',
    engine: '',
    tier: 'unverified',
    concurrency: 1,
    expiresAt: now,
    inputMicroUsdPerMillion: 1n,
    outputMicroUsdPerMillion: 1n,
    creditMicroUsd: 1n,
  }
  return {
    lease: Lease.sign(domain, lease, buyer),
    bid: Bid.sign(domain, bid, provider),
    order: Hex.zero,
    prices: { inputMicroUsdPerMillion: 1n, outputMicroUsdPerMillion: 1n },
    peerId: provider.peerId,
    addresses: [],
    state: 'ready' as const,
    confirmedMicroUsd: 100n,
    readied: true,
    unsent: { paid: [], refused: [] },
    createdAt: now,
  }
}

const job = (number: number, priceMicroUsd: bigint): JobRow => ({
  job: Hex.sha256(`job ${number}`),
  lease: Hex.zero,
  provider: provider.address,
  model: 'words',
  state: 'paid',
  assurance: { tier: 'unverified', state: 'final' },
  usage: { inputTokens: 1, outputTokens: 1 },
  priceMicroUsd,
  receiptId: Hex.zero,
  createdAt: 1_700_000_000_000 + number,
})

describe('createPayments', () => {
  test('signs one cumulative voucher, writes it down with its job, and sends it', async () => {
    const { clock, heard, pay, domain, journal } = await start()
    await pay(job(1, 30n))
    await pay(job(2, 12n))
    await clock.run(clock.now() + 1_000)
    const { voucher, paid } = heard.at(-1)!
    expect(Voucher.verifyBy(domain, voucher, buyer.address).cumulativeMicroUsd).toBe(42n)
    expect(heard.flatMap((each) => each.paid)).toEqual([job(1, 0n).job, job(2, 0n).job])
    expect(paid.length).toBeGreaterThan(0)
    const [row] = await journal.leases()
    expect(row?.voucher?.message.cumulativeMicroUsd).toBe(42n)
    expect((await journal.job(job(2, 0n).job))?.state).toBe('paid')
  })

  test('signs one voucher for jobs that are delivered together', async () => {
    const { clock, heard, pay, journal } = await start()
    await pay(job(1, 30n), job(2, 12n), job(3, 8n))
    await clock.run(clock.now() + 1_000)
    expect(heard).toMatchObject([{ voucher: { message: { cumulativeMicroUsd: 50n } } }])
    expect(heard[0]?.paid.length).toBe(3)
    const rows = await Promise.all([1, 2, 3].map((number) => journal.job(job(number, 0n).job)))
    expect(rows.map((row) => row?.state)).toEqual(['paid', 'paid', 'paid'])
  })

  test('sends nothing that is not on disk, and all of it once it is', async () => {
    const { clock, state, heard, payments, held } = await start()
    state.full = true
    const paying = payments.pay(held, job(1, 30n))
    await clock.run(clock.now() + 5_000)
    expect(heard).toEqual([])
    state.full = false
    await clock.run(clock.now() + 20_000)
    await paying
    expect(heard.at(-1)?.voucher.message.cumulativeMicroUsd).toBe(30n)
  })

  test('tries again until the provider has heard, and then is silent', async () => {
    const { clock, state, heard, pay, payments, held } = await start()
    state.away = true
    await pay(job(1, 30n))
    await clock.run(clock.now() + 20_000)
    state.away = false
    await clock.run(clock.now() + 20_000)
    expect(heard.map(({ voucher }) => voucher.message.cumulativeMicroUsd)).toEqual([30n])
    await clock.run(clock.now() + 60_000)
    expect(heard.length).toBe(1)
    payments.resend(held)
    await clock.run(clock.now() + 1_000)
    expect(heard.length).toBe(2)
  })

  test('gives up when the lease has expired', async () => {
    const { clock, state, heard, pay, held } = await start()
    state.away = true
    await pay(job(1, 30n))
    await clock.run(clock.now() + 700_000)
    expect([heard, held.paying]).toEqual([[], false])
  })

  test('never signs above the lease, nor down', async () => {
    const { pay, held } = await start()
    await pay(job(1, 100n))
    await expect(pay(job(2, 1n))).rejects.toThrow(VoucherError)
    await expect(pay(job(3, -1n))).rejects.toThrow(VoucherError)
    expect(signedMicroUsd(held)).toBe(100n)
    expect(rowOf(held).voucher?.message.cumulativeMicroUsd).toBe(100n)
  })

  test('says why a job is not paid, under a voucher that promises nothing new', async () => {
    const { clock, heard, payments, held } = await start()
    const reason = { code: 'Receipt.OutputDiffers', message: 'x'.repeat(5_000) }
    payments.refuse(held, Hex.sha256('job'), reason)
    await clock.run(clock.now() + 1_000)
    expect(heard).toMatchObject([
      {
        voucher: { message: { cumulativeMicroUsd: 0n } },
        paid: [],
        refused: [{ job: Hex.sha256('job'), reason: { code: reason.code } }],
      },
    ])
    expect(held.unsent.refused).toEqual([])
  })
})
