import { describe, expect, test } from 'vitest'
import { failingEngine, honestEngine, stallingEngine, wordRequest } from '../../test/engines.ts'
import { identityOf, smallMarket } from '../../test/smallMarket.ts'
import * as Completion from '../protocol/Completion.ts'
import type * as Hex from '../protocol/Hex.ts'
import { memoryStore } from '../runtime/memoryStore.ts'
import { WriteError } from '../runtime/Store.ts'
import type { Buyer, BuyerEvent, CompleteOptions } from './Buyer.ts'
import type { Engine } from '../engine/Engine.ts'

async function collect(
  buyer: Buyer,
  request: Completion.Request = wordRequest(),
  options?: CompleteOptions,
) {
  const events: BuyerEvent[] = []
  for await (const event of buyer.complete(request, options)) events.push(event)
  const end = events.find((event) => event.type === 'completion-end')!
  return { events, end, job: end.receipt.message.job, provider: end.receipt.message.provider }
}

async function stop(buyer: Buyer): Promise<void> {
  await buyer[Symbol.asyncDispose]()
}

/** Fails before its first token; how often it was asked is counted. */
function brokenEngine(): Engine & { asked: number } {
  const engine = {
    ...honestEngine(),
    asked: 0,
    // oxlint-disable-next-line require-yield
    async *complete(request: Completion.Request, { signal }: { signal: AbortSignal }) {
      if (request.maxTokens <= 8 && request.seed !== 7) {
        yield* honestEngine().complete(request, { signal })
        return
      }
      engine.asked++
      throw new Error('no memory left')
    },
  }
  return engine
}

describe('startBuyer', () => {
  test('buys an answer from a stranger and pays what its receipt says', async () => {
    const market = smallMarket()
    await market.provider(1)
    const buyer = await market.buyer()
    const { events, end, job } = await market.drive(collect(buyer))
    expect(events.map(({ type }) => type).filter((type) => type !== 'completion-delta')).toEqual([
      'completion-start',
      'completion-end',
    ])
    expect(end.priceMicroUsd).toBe(end.receipt.message.priceMicroUsd)
    const record = await market.drive(buyer.settled(job))
    expect(record).toMatchObject({ state: 'paid', priceMicroUsd: end.priceMicroUsd })
    expect(await market.drive(buyer.balance())).toMatchObject({ spentMicroUsd: end.priceMicroUsd })
    expect(buyer.leases()).toMatchObject([{ state: 'ready', signedMicroUsd: end.priceMicroUsd }])
  })

  test('spreads jobs over all providers of a model', async () => {
    const market = smallMarket()
    for (const number of [1, 2, 3]) await market.provider(number)
    const buyer = await market.buyer({ settings: { warmModels: 'offered' } })
    await market.pass(10_000)
    const used: Hex.Address[] = []
    for (let n = 0; n < 9; n++) used.push((await market.drive(collect(buyer))).provider)
    const counts = Map.groupBy(used, (each) => each)
    expect([...counts.values()].map(({ length }) => length)).toEqual([3, 3, 3])
  })

  test('pays the second price to the winner of an auction that somebody lost', async () => {
    const market = smallMarket()
    await market.provider(1, { outputPrice: 2_000_000n })
    await market.provider(2, { outputPrice: 4_000_000n })
    const settings = { providersPerModel: 1, expectedUsage: { inputTokens: 0, outputTokens: 100 } }
    const buyer = await market.buyer({ settings })
    const { end, provider } = await market.drive(collect(buyer))
    expect(provider).toBe(identityOf(1).address)
    expect(end.priceMicroUsd).toBeGreaterThan(end.receipt.message.priceMicroUsd)
    expect(end.priceMicroUsd).toBeLessThanOrEqual(2n * end.receipt.message.priceMicroUsd + 1n)
  })

  test('moves on, unnoticed, from a provider that fails before its first token', async () => {
    const market = smallMarket()
    const broken = brokenEngine()
    await market.provider(1, { engine: broken })
    await market.provider(2)
    const buyer = await market.buyer({ settings: { warmModels: 'offered' } })
    await market.pass(5_000)
    for (let n = 0; n < 4; n++) {
      const { provider } = await market.drive(collect(buyer))
      expect(provider).toBe(identityOf(2).address)
    }
    expect(broken.asked).toBeGreaterThan(0)
    const failed = (await market.drive(buyer.jobs())).filter(({ state }) => state === 'failed')
    expect(failed.length).toBe(broken.asked)
    for (const { priceMicroUsd, provider } of failed)
      expect([priceMicroUsd, provider]).toEqual([0n, identityOf(1).address])
  })

  test.each([
    ['fails', failingEngine(), 'Engine.EngineError'],
    ['falls silent', stallingEngine(), 'Network.TimeoutError'],
  ])(
    'says so when a provider %s after its first token, and charges nothing',
    async (_, bad, code) => {
      const market = smallMarket()
      const good = honestEngine()
      const probed = {
        ...bad,
        complete: (request: Completion.Request, options: { signal: AbortSignal }) =>
          (request.seed === 7 ? bad : good).complete(request, options),
      }
      await market.provider(1, { engine: probed })
      const buyer = await market.buyer({ settings: { idleTimeoutMs: 3_000 } })
      const failure = await market.drive(collect(buyer).catch((error: unknown) => error))
      expect(failure).toMatchObject({ code: 'Buyer.InterruptedError', reason: { code } })
      const { job } = failure as { job: Hex.Hex }
      const record = await market.drive(buyer.settled(job))
      expect(record).toMatchObject({ state: 'failed', reason: code, priceMicroUsd: 0n })
      expect(await market.drive(buyer.balance())).toMatchObject({ spentMicroUsd: 0n })
      await market.pass(5_000)
      expect(buyer.leases()).toMatchObject([{ state: 'ready' }])
    },
  )

  test('waits for the verdict, and pays for a valid one', async () => {
    const market = smallMarket()
    await market.provider(1)
    market.judge(() => 'valid')
    const settings = { validators: [market.validator.address] }
    const buyer = await market.buyer({ settings })
    const { end, job } = await market.drive(collect(buyer))
    expect(end.assurance).toEqual({ tier: 'statistical', state: 'pending' })
    expect(await market.drive(buyer.settled(job))).toMatchObject({
      state: 'paid',
      assurance: { tier: 'statistical', state: 'verified', method: 'rerun' },
    })
  })

  test('refunds what a validator finds wrong, and never goes to that provider again', async () => {
    const market = smallMarket()
    await market.provider(1)
    market.judge(({ readyAt }) => (readyAt > 0 ? 'invalid' : 'valid'))
    const store = memoryStore()
    const settings = { validators: [market.validator.address] }
    const buyer = await market.buyer({ settings, store })
    const { job } = await market.drive(collect(buyer))
    expect(await market.drive(buyer.settled(job))).toMatchObject({
      state: 'refunded',
      reason: 'Rerun.OutputDiffers',
      priceMicroUsd: 0n,
    })
    const again = await market.drive(collect(buyer).catch((error: unknown) => error))
    expect(again).toMatchObject({ code: 'Buyer.NoProviderError' })
    expect((again as Error).message).toContain('Buyer.ProviderExcluded')
    await market.drive(stop(buyer))
    const next = await market.buyer({ settings, store, wallet: 0n })
    const later = await market.drive(collect(next).catch((error: unknown) => error))
    expect((later as Error).message).toContain('Buyer.ProviderExcluded')
  })

  test('pays after the waiting time when nobody checked, and not when it could not be checked', async () => {
    for (const [outcome, state] of [
      [undefined, 'paid'],
      ['unavailable', 'refunded'],
    ] as const) {
      const market = smallMarket()
      await market.provider(1)
      market.judge(() => outcome)
      const buyer = await market.buyer({ settings: { validators: [market.validator.address] } })
      const { job } = await market.drive(collect(buyer))
      const before = market.clock.now()
      expect(await market.drive(buyer.settled(job))).toMatchObject({ state })
      expect(market.clock.now() - before).toBeGreaterThan(1_900)
    }
  })

  test('listens to no validator but its own', async () => {
    const market = smallMarket()
    await market.provider(1)
    market.judge(() => 'invalid')
    const settings = { validators: [identityOf(99).address] }
    const buyer = await market.buyer({ settings })
    const { job } = await market.drive(collect(buyer))
    expect(await market.drive(buyer.settled(job))).toMatchObject({ state: 'paid' })
  })

  test('takes up after a crash what it had promised, and signs nothing twice', async () => {
    const market = smallMarket()
    const provider = await market.provider(1)
    const store = memoryStore()
    const first = await market.buyer({ store })
    const { job, end } = await market.drive(collect(first))
    await market.drive(first.settled(job))
    await market.drive(stop(first))
    const second = await market.buyer({ store, wallet: 0n })
    expect(second.leases()).toMatchObject([{ signedMicroUsd: end.priceMicroUsd }])
    expect(await market.drive(second.job(job))).toMatchObject({ state: 'paid' })
    const { end: later } = await market.drive(collect(second))
    await market.pass(2_000)
    expect(provider.leases()).toMatchObject([
      { paidMicroUsd: end.priceMicroUsd + later.priceMicroUsd },
    ])
    expect((await market.drive(second.jobs())).map(({ state }) => state)).toEqual(['paid', 'paid'])
  })

  test('raises the lease when its budget nears the end', async () => {
    const market = smallMarket()
    await market.provider(1)
    const buyer = await market.buyer({ settings: { leaseBudgetMicroUsd: 700n } })
    for (let n = 0; n < 25; n++) await market.drive(collect(buyer, wordRequest({ seed: n })))
    // Answers are paid a moment later, together.
    await market.pass(100)
    const [lease] = buyer.leases()
    expect(lease!.totalMicroUsd).toBeGreaterThan(700n)
    expect(lease!.signedMicroUsd).toBeLessThanOrEqual(lease!.totalMicroUsd)
    expect((await market.drive(buyer.jobs())).every(({ state }) => state === 'paid')).toBe(true)
  })

  test('says why for each provider when nobody serves', async () => {
    const market = smallMarket()
    await market.provider(1)
    const ceilings = { inputMicroUsdPerMillion: 1n, outputMicroUsdPerMillion: 1n }
    const buyer = await market.buyer({ settings: { ceilings } })
    const failure = await market.drive(collect(buyer).catch((error: unknown) => error))
    expect(failure).toMatchObject({
      code: 'Buyer.NoProviderError',
      refusals: [
        {
          provider: identityOf(1).address,
          reasons: [{ code: 'Screen.InputPriceTooHigh' }, { code: 'Screen.OutputPriceTooHigh' }],
        },
      ],
    })
    const unknown = wordRequest({ model: 'poems' })
    const nobody = await market.drive(collect(buyer, unknown).catch((error: unknown) => error))
    expect((nobody as Error).message).toContain('Screen.ModelNotOffered')
  })

  test('sends no job that could cost more than is allowed', async () => {
    const market = smallMarket()
    await market.provider(1)
    const buyer = await market.buyer()
    const options = { maxMicroUsd: 10n }
    const failure = await market.drive(
      collect(buyer, wordRequest(), options).catch((error: unknown) => error),
    )
    expect((failure as Error).message).toContain('Buyer.TooExpensive')
    expect(await market.drive(buyer.jobs())).toEqual([])
  })

  test('says what to do when the wallet is empty', async () => {
    const market = smallMarket()
    await market.provider(1)
    const buyer = await market.buyer({ wallet: 0n })
    const failure = await market.drive(collect(buyer).catch((error: unknown) => error))
    expect((failure as Error).message).toMatch(/Buyer.DepositError.*weft deposit/s)
  })

  test('buys nothing while it cannot write down what it owes, and goes on when it can', async () => {
    const market = smallMarket()
    await market.provider(1)
    const disk = memoryStore()
    let full = false
    const store = {
      ...disk,
      write: async (writes: Parameters<typeof disk.write>[0]) => {
        if (full) throw new WriteError({ cause: new Error('disk full'), path: 'disk' })
        await disk.write(writes)
      },
    }
    const buyer = await market.buyer({ store })
    const { job } = await market.drive(collect(buyer))
    full = true
    await market.pass(1_000)
    buyer.settled(job).catch(() => {})
    const answers = await Promise.allSettled([
      market.drive(collect(buyer)),
      market.drive(collect(buyer)),
    ])
    expect(answers.filter(({ status }) => status === 'rejected')).not.toEqual([])
    full = false
    await market.pass(20_000)
    const { job: later } = await market.drive(collect(buyer))
    expect(await market.drive(buyer.settled(later))).toMatchObject({ state: 'paid' })
    const states = (await market.drive(buyer.jobs())).map(({ state }) => state)
    expect(states).not.toContain('delivered')
  })

  test('probes a provider that has restarted, and uses it again', async () => {
    const market = smallMarket()
    const store = memoryStore()
    await market.provider(1, { store })
    const buyer = await market.buyer({ settings: { startTimeoutMs: 60_000 } })
    await market.drive(collect(buyer))
    market.network.crash(identityOf(1).peerId)
    const failure = await market.drive(collect(buyer).catch((error: unknown) => error))
    expect(failure).toMatchObject({ code: 'Buyer.NoProviderError' })
    expect(buyer.leases()).toMatchObject([{ state: 'paused' }])
    await market.provider(1, { store })
    await market.pass(20_000)
    expect(buyer.leases()).toMatchObject([{ state: 'ready' }])
    await market.drive(collect(buyer))
  })

  test('has its lease opened again when the chain takes it back', async () => {
    const market = smallMarket()
    await market.provider(1)
    const buyer = await market.buyer()
    const { events } = await market.drive(collect(buyer))
    const lease = events[0]!.type === 'completion-start' ? events[0]!.lease : undefined
    market.chain.rollback(3)
    expect(market.chain.state().leases.get(lease!)?.state).toBeUndefined()
    await market.pass(40_000)
    expect(market.chain.state().leases.get(lease!)?.state).toBe('open')
    await market.drive(collect(buyer))
  })

  test('lets go of a lease when its time is over', async () => {
    const market = smallMarket()
    await market.provider(1)
    const buyer = await market.buyer({ settings: { leaseDurationMs: 120_000 } })
    await market.drive(collect(buyer))
    await market.pass(300_000)
    expect(buyer.leases()).toEqual([])
    expect(market.chain.totals().reservedMicroUsd).toBe(0n)
  })

  test('gives up a job whose caller goes away', async () => {
    const market = smallMarket()
    await market.provider(1)
    const buyer = await market.buyer()
    const controller = new AbortController()
    const run = async () => {
      for await (const event of buyer.complete(wordRequest(), { signal: controller.signal }))
        if (event.type === 'completion-delta') controller.abort(new Error('enough'))
    }
    await expect(market.drive(run())).rejects.toThrow('enough')
    const [record] = await market.drive(buyer.jobs())
    expect(record).toMatchObject({ state: 'failed', reason: 'Buyer.CancelledError' })
  })

  test('lists the models that are offered, with the lowest price', async () => {
    const market = smallMarket()
    await market.provider(1, { outputPrice: 3_000_000n })
    await market.provider(2, { outputPrice: 2_000_000n })
    const buyer = await market.buyer()
    await market.pass(10_000)
    expect(buyer.models()).toMatchObject([
      {
        id: 'words',
        providers: [identityOf(2).address, identityOf(1).address],
        outputMicroUsdPerMillion: 2_000_000n,
      },
    ])
  })
})
