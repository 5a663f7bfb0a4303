/** The gateway on a whole network: the real buyer and providers, over the memory network and chain. */
import OpenAI from 'openai'
import { describe, expect, test } from 'vitest'
import { startBuyer } from '../src/buyer/startBuyer.ts'
import { memoryChain } from '../src/chain/memory.ts'
import type { Engine } from '../src/engine/Engine.ts'
import { createKey } from '../src/gateway/keys.ts'
import { startGateway } from '../src/gateway/startGateway.ts'
import type { WeftJob } from '../src/gateway/weftField.ts'
import { memoryNetwork } from '../src/network/memory.ts'
import * as Identity from '../src/protocol/Identity.ts'
import * as Receipt from '../src/protocol/Receipt.ts'
import { startProvider } from '../src/provider/startProvider.ts'
import { memoryStore } from '../src/runtime/memoryStore.ts'
import { seededRandom } from '../src/runtime/seededRandom.ts'
import { silentLogger } from '../src/runtime/silentLogger.ts'
import { systemClock } from '../src/runtime/systemClock.ts'
import {
  honestEngine,
  talkativeEngine,
  vanishingEngine,
  wordModel,
  wordRequest,
  wordsOf,
} from './engines.ts'

const clock = systemClock()
const identityOf = (seed: number) => Identity.from(new Uint8Array(32).fill(seed))
const chat = { model: wordModel.id, messages: [{ role: 'user' as const, content: 'hello there' }] }

/** One provider an engine, a buyer with money, a gateway with a key. */
async function world(engines: readonly Engine[]) {
  await using stack = new AsyncDisposableStack()
  const chain = memoryChain({ clock }, { blockTimeMs: 20 })
  const random = seededRandom(7)
  const network = memoryNetwork({ clock, random })
  const portsOf = (seed: number) => {
    const identity = identityOf(seed)
    return {
      identity,
      chain: chain.connect(identity.address),
      network: network.join(identity.peerId),
      store: memoryStore(),
      clock,
      random,
      logger: silentLogger(),
    }
  }
  const buyerPorts = portsOf(1)
  chain.mint(buyerPorts.identity.address, 50_000_000n)
  const { address } = buyerPorts.identity
  await buyerPorts.chain.send({ type: 'deposit', buyer: address, amountMicroUsd: 50_000_000n })
  const prices = () => ({
    inputMicroUsdPerMillion: 1_000_000n,
    outputMicroUsdPerMillion: 20_000_000n,
  })
  for (const [index, engine] of engines.entries())
    stack.use(
      await startProvider(
        { ...portsOf(10 + index), engine },
        { prices, concurrency: 8, offerIntervalMs: 100 },
      ),
    )
  const buyer = stack.use(await startBuyer(buyerPorts, { warmModels: 'offered' }))
  const gatewayPorts = { ...buyerPorts, store: memoryStore() }
  const gateway = stack.use(await startGateway({ ...gatewayPorts, buyer }))
  const { secret } = await createKey(gatewayPorts, { name: 'test', capMicroUsd: 1_000_000n })
  const client = new OpenAI({ apiKey: secret, baseURL: `${gateway.url}/v1`, maxRetries: 0 })
  await expect
    .poll(() => buyer.leases().some(({ state }) => state === 'ready'), patience)
    .toBe(true)
  const owned = stack.move()
  return {
    chain,
    buyer,
    client,
    get: async (path: string) => {
      const headers = { authorization: `Bearer ${secret}` }
      const reply = await fetch(`${gateway.url}/v1/weft/${path}`, { headers })
      return (await reply.json()) as { key: Record<string, string> } & Record<string, unknown>
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** A seed that makes the engine say at least 20 words. */
const longSeed = Array.from({ length: 1000 }, (_, seed) => seed).find((seed) => {
  const { messages } = chat
  const input = { kind: 'chat' as const, messages: [...messages] }
  return wordsOf(wordRequest({ input, maxTokens: 100, temperatureMicro: 1e6, seed })).length >= 20
})!

const patience = { timeout: 30_000, interval: 20 }

describe('the gateway on a whole network', () => {
  test('answers with a receipt that checks, and charges the key what the buyer pays', async () => {
    await using at = await world([honestEngine()])
    const { data, response } = await at.client.chat.completions
      .create({ ...chat, max_tokens: 8, seed: 3 })
      .withResponse()
    const { weft } = data as unknown as { weft: { jobs: readonly [WeftJob] } }
    const [job] = weft.jobs
    const signed = Receipt.deserialize(Buffer.from(JSON.stringify(job.signedReceipt)))
    const receipt = Receipt.verify(at.chain.domain, signed)
    expect(Receipt.hash(at.chain.domain, receipt)).toBe(response.headers.get('weft-receipt'))
    expect(receipt).toMatchObject({ provider: identityOf(10).address, seed: 3, maxTokens: 8 })
    expect(receipt.outputTokens).toBe(data.usage!.completion_tokens)
    await expect
      .poll(() => at.get(`jobs/${job.job}`), patience)
      .toMatchObject({ state: 'paid', priceMicroUsd: String(receipt.priceMicroUsd) })
    await expect
      .poll(async () => (await at.get('balance')).key, patience)
      .toMatchObject({ spentMicroUsd: String(receipt.priceMicroUsd), reservedMicroUsd: '0' })
  })

  test('gives the same answer for the same seed, streamed or not', async () => {
    await using at = await world([honestEngine()])
    const whole = await at.client.chat.completions.create({ ...chat, seed: 5 })
    const stream = await at.client.chat.completions.create({ ...chat, seed: 5, stream: true })
    const texts: string[] = []
    for await (const chunk of stream) texts.push(chunk.choices[0]?.delta.content ?? '')
    expect(texts.join('')).toBe(whole.choices[0]!.message.content)
  })

  test('moves to another provider when one fails before the first token', async () => {
    const dead: Engine = {
      ...honestEngine(),
      // eslint-disable-next-line require-yield
      async *complete(request) {
        if (request.maxTokens > 16) throw new Error('out of memory')
        yield* honestEngine().complete(request, { signal: new AbortController().signal })
      },
    }
    await using at = await world([dead, honestEngine()])
    for (let i = 0; i < 4; i++) {
      const { response } = await at.client.chat.completions
        .create({ ...chat, max_tokens: 40 })
        .withResponse()
      expect(response.headers.get('weft-provider')).toBe(identityOf(11).address)
    }
  })

  test.each([
    ['stops in the middle', vanishingEngine()],
    ['sends more than was asked', talkativeEngine()],
  ])('charges nothing when a provider %s', async (_, broken) => {
    const engine: Engine = {
      ...broken,
      complete: (request, options) =>
        (request.maxTokens > 16 ? broken : honestEngine()).complete(request, options),
    }
    await using at = await world([engine])
    const failed = at.client.chat.completions.create({ ...chat, max_tokens: 40 })
    await expect(failed).rejects.toMatchObject({ status: 502, code: 'provider_failed' })
    await expect
      .poll(async () => (await at.get('balance')).key, patience)
      .toMatchObject({ spentMicroUsd: '0', reservedMicroUsd: '0' })
  })

  test('charges nothing when the client goes away in the middle', async () => {
    await using at = await world([honestEngine({ clock, tokenMs: 30 })])
    const asked = { ...chat, max_tokens: 100, temperature: 1, seed: longSeed }
    const stream = await at.client.chat.completions.create({ ...asked, stream: true })
    let seen = 0
    for await (const _ of stream) if (++seen === 3) break
    await expect
      .poll(async () => (await at.buyer.jobs()).map(({ state }) => state), patience)
      .toContain('failed')
    await expect
      .poll(async () => (await at.get('balance')).key, patience)
      .toMatchObject({ spentMicroUsd: '0', reservedMicroUsd: '0' })
  })
})
