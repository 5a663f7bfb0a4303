import { describe, expect, test } from 'vitest'
import { failingEngine, honestEngine, stallingEngine } from '../../test/engines.ts'
import { wordModel, wrongEngine, slowEngine } from '../../test/engines.ts'
import { identityOf, providerWorld, type ProviderWorld } from '../../test/providerWorld.ts'
import { receiptOf } from '../../test/receipts.ts'
import type { Engine } from '../engine/Engine.ts'
import * as Exchange from '../protocol/Exchange.ts'
import * as Json from '../protocol/Json.ts'
import * as Receipt from '../protocol/Receipt.ts'
import * as Verdict from '../protocol/Verdict.ts'
import { memoryStore } from '../runtime/memoryStore.ts'
import { seededRandom } from '../runtime/seededRandom.ts'
import { silentLogger } from '../runtime/silentLogger.ts'
import type { Store } from '../runtime/Store.ts'
import { startValidator } from './startValidator.ts'

const identity = identityOf('validator')

describe('startValidator', () => {
  test('finds an honest provider valid', async () => {
    const world = providerWorld()
    await using _ = await world.start()
    await using validator = await start(world)
    const { heard } = listen(world)
    const job = await buy(world)
    await world.advance(100)
    expect(heard).toMatchObject([
      {
        job: job.id,
        receipt: Receipt.hash(world.chain.domain, job.receipt.message),
        provider: world.provider.address,
        validator: identity.address,
        method: 'rerun',
        outcome: 'valid',
        reason: 'Rerun.Equal',
        output: job.receipt.message.output,
      },
    ])
    expect(validator.counts()).toMatchObject({ valid: 1, invalid: 0 })
  })

  test('finds a provider invalid that runs something else', async () => {
    const world = providerWorld()
    await using _ = await world.start({ engine: wrongEngine() })
    await using _validator = await start(world)
    const { heard } = listen(world)
    await buy(world)
    await world.advance(100)
    expect(heard).toMatchObject([{ outcome: 'invalid', reason: 'Rerun.OutputDiffers' }])
  })

  test('finds a provider invalid that counts more tokens than it made', async () => {
    const world = providerWorld()
    const honest = honestEngine()
    const engine: Engine = {
      ...honest,
      async *complete(request, options) {
        for await (const event of honest.complete(request, options))
          yield event.type === 'completion-end'
            ? { ...event, usage: { ...event.usage, inputTokens: event.usage.inputTokens + 50 } }
            : event
      },
    }
    await using _ = await world.start({ engine })
    await using _validator = await start(world)
    const { heard } = listen(world)
    await buy(world)
    await world.advance(100)
    expect(heard).toMatchObject([{ outcome: 'invalid', reason: 'Rerun.InputTokensDiffer' }])
  })

  test('finds a provider unavailable that does not hand out evidence', async () => {
    const world = providerWorld()
    await using _ = await world.start()
    await using validator = await start(world)
    const { heard } = listen(world)
    await buy(world, { validators: [] })
    await world.advance(100)
    expect(heard).toMatchObject([{ outcome: 'unavailable', reason: 'Provider.ForbiddenError' }])
    expect(validator.counts()).toMatchObject({ unavailable: 1 })
  })

  test('finds a provider unavailable that is gone, after asking several times', async () => {
    const world = providerWorld()
    const provider = await world.start()
    const { heard, network } = listen(world)
    const job = await buy(world)
    await world.drive(provider[Symbol.asyncDispose]())
    world.network.crash(world.provider.peerId)
    await using _ = await start(world)
    const gone = world.network.join(world.provider.peerId)
    await gone.publish(Exchange.topics.receipts, Receipt.serialize(job.receipt))
    await world.advance(6_000)
    expect(heard).toEqual([])
    await world.advance(1_000)
    expect(heard).toMatchObject([{ outcome: 'unavailable', reason: 'Network.NoHandlerError' }])
    await network[Symbol.asyncDispose]()
  })

  test('finds a provider invalid whose evidence is about something else', async () => {
    const world = providerWorld()
    const { receipt, facts } = receiptOf({ endedAt: world.clock.now() })
    const output = { ...facts.output, text: 'something else' }
    const liar = world.network.join(world.provider.peerId)
    const domain = receiptOf().domain
    liar.handle(Exchange.protocols.evidence, async function* () {
      yield Json.toBytes({ ...facts, output, receipt } satisfies Exchange.Evidence)
    })
    await using _ = await start(world, { domain })
    const { heard } = listen(world, domain)
    await liar.publish(Exchange.topics.receipts, Receipt.serialize(receipt))
    await world.advance(100)
    expect(heard).toMatchObject([{ outcome: 'invalid', reason: 'Receipt.OutputDiffers' }])
  })

  test.each<[string, Engine]>([
    [
      'has other weights',
      honestEngine({ model: { ...wordModel, weights: `0x${'1'.repeat(64)}` } }),
    ],
    ['has another build', honestEngine({ model: { ...wordModel, build: 'words 2' } })],
    ['fails itself', failingEngine()],
    ['stalls itself', stallingEngine()],
  ])('says nothing when it %s', async (_, engine) => {
    const world = providerWorld()
    await using _provider = await world.start()
    await using validator = await start(world, { engine })
    const { heard } = listen(world)
    await buy(world)
    await world.advance(130_000)
    expect(heard).toEqual([])
    expect(validator.counts().skipped).toBe(1)
  })

  test('draws the share it is told to', async () => {
    const world = providerWorld()
    await using _ = await world.start()
    await using validator = await start(world, { rate: 0.3 })
    for (let job = 0; job < 40; job++) await buy(world)
    await world.advance(100)
    const { valid, passedOver } = validator.counts()
    expect(valid + passedOver).toBe(40)
    expect(valid).toBeGreaterThan(4)
    expect(valid).toBeLessThan(22)
  })

  test('looks once at a receipt that it hears many times', async () => {
    const world = providerWorld()
    await using _ = await world.start({ offerIntervalMs: 500 })
    await using validator = await start(world, { rate: 0.5 })
    await buy(world)
    await world.advance(30_000)
    const { valid, passedOver } = validator.counts()
    expect(valid + passedOver).toBe(1)
  })

  test('does not look at what is forged, old or no receipt', async () => {
    const world = providerWorld()
    await using provider = await world.start()
    await using validator = await start(world)
    const job = await buy(world)
    await world.advance(1_000)
    await world.drive(provider[Symbol.asyncDispose]())
    const liar = world.network.join(identityOf('liar').peerId)
    const { message, signature } = job.receipt
    for (const body of [
      Receipt.serialize({ signature, message: { ...message, outputTokens: 1 } }),
      Receipt.serialize(receiptOf({ endedAt: 1 }).receipt),
      new TextEncoder().encode('{"message":1}'),
      Uint8Array.of(0xff, 0x00),
    ])
      await liar.publish(Exchange.topics.receipts, body)
    await world.advance(100)
    expect(validator.counts()).toMatchObject({ valid: 1, malformed: 4 })
  })

  test('sheds what it cannot keep up with, first from who has the most waiting', async () => {
    const world = providerWorld()
    await using _ = await world.start()
    const engine = slowEngine({ ...world, tokenMs: 60_000 })
    const options = { engine, queueLimit: 2, rerunTimeoutMs: 10 ** 7 }
    await using validator = await start(world, options)
    for (let job = 0; job < 6; job++) await buy(world)
    await world.advance(2_000_000)
    expect(validator.counts()).toMatchObject({ valid: 4, shed: 2 })
  })

  test('publishes recent verdicts again, also after a restart, and does not judge twice', async () => {
    const world = providerWorld()
    await using _ = await world.start({ offerIntervalMs: 1_000 })
    const store = memoryStore()
    const first = await start(world, { store })
    await buy(world)
    await world.advance(100)
    await world.drive(first[Symbol.asyncDispose]())
    const { heard } = listen(world)
    await using second = await start(world, { store })
    await world.advance(10_000)
    expect(heard.length).toBeGreaterThanOrEqual(4)
    expect(new Set(heard.map(({ checkedAt }) => checkedAt)).size).toBe(1)
    expect(second.counts().valid).toBe(0)
    await world.advance(60_000)
    const told = heard.length
    await world.advance(60_000)
    expect(heard).toHaveLength(told)
  })

  test('says nothing that is not on disk', async () => {
    const world = providerWorld()
    await using _ = await world.start()
    const full: Store = {
      ...memoryStore(),
      write: async () => {
        throw new Error('The disk is full.')
      },
    }
    await using validator = await start(world, { store: full })
    const { heard } = listen(world)
    await buy(world)
    await world.advance(10_000)
    expect(heard).toEqual([])
    expect(validator.counts()).toMatchObject({ valid: 0, skipped: 1 })
  })
})

async function start(
  world: ProviderWorld,
  {
    engine = honestEngine(),
    store = memoryStore(),
    domain = world.chain.domain,
    ...options
  }: startValidator.Options & Partial<startValidator.Ports> = {},
) {
  const { clock } = world
  const network = world.network.join(identity.peerId)
  const random = seededRandom(3)
  const logger = silentLogger()
  const ports = { identity, network, engine, store, clock, random, logger, domain }
  return await startValidator(ports, { rate: 1, ...options })
}

/** Hears verdicts from now on. */
function listen(world: ProviderWorld, domain = world.chain.domain) {
  const heard: Verdict.Verdict[] = []
  const network = world.network.join(identityOf('listener').peerId)
  network.subscribe(Exchange.topics.verdicts, (body) => {
    heard.push(Verdict.verify(domain, Verdict.deserialize(body)))
  })
  return { heard, network }
}

let buyers = 0

/** Buys one job as a buyer of its own. */
async function buy(world: ProviderWorld, { validators = [identity.address] } = {}) {
  const buyer = await world.buyer(`buyer ${buyers++}`)
  const { id } = await world.drive(buyer.open({ order: { validators } }))
  return await world.drive(buyer.job(id))
}
