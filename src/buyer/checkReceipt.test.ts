import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { wordRequest } from '../../test/engines.ts'
import { identityOf } from '../../test/smallMarket.ts'
import type * as Bid from '../protocol/Bid.ts'
import * as Completion from '../protocol/Completion.ts'
import * as Hex from '../protocol/Hex.ts'
import * as Job from '../protocol/Job.ts'
import * as Receipt from '../protocol/Receipt.ts'
import { checkReceipt, inputTokensLimit } from './checkReceipt.ts'

const domain = { chainId: 1, vault: `0x${'aa'.repeat(20)}` } as const
const [provider, buyer, stranger] = [identityOf(1), identityOf(2), identityOf(3)]
const request = wordRequest({ maxTokens: 8 })
const output: Completion.Output = { text: 'a loom', tokenIds: [0, 1], finishReason: 'stop' }
const nowMs = 1_000_000

const bid: Bid.Bid = {
  order: Hex.zero,
  provider: provider.address,
  model: 'words',
  weights: Hex.sha256('words'),
  quantisation: 'none',
  engine: 'words 1',
  tier: 'statistical',
  inputMicroUsdPerMillion: 1_000_000n,
  outputMicroUsdPerMillion: 2_000_000n,
  concurrency: 1,
  creditMicroUsd: 0n,
  expiresAt: nowMs,
}
const job: Job.Job = {
  nonce: Hex.zero,
  lease: Hex.sha256('lease'),
  buyer: buyer.address,
  provider: provider.address,
  request: Completion.hashRequest(request),
  createdAt: nowMs - 100,
  expiresAt: nowMs + 100,
}
const jobId = Job.hash(domain, job)
const facts: checkReceipt.Facts = {
  domain,
  bid,
  job,
  jobId,
  request,
  output,
  nowMs,
  metered: true,
}

const right: Receipt.Receipt = {
  job: jobId,
  lease: job.lease,
  provider: provider.address,
  buyer: buyer.address,
  request: job.request,
  output: Completion.hashOutput(output),
  model: bid.model,
  weights: bid.weights,
  quantisation: bid.quantisation,
  engine: bid.engine,
  tier: bid.tier,
  seed: request.seed,
  temperatureMicro: request.temperatureMicro,
  topPMicro: request.topPMicro,
  maxTokens: request.maxTokens,
  inputTokens: 3,
  outputTokens: 2,
  priceMicroUsd: 7n,
  readyAt: nowMs - 1_000,
  startedAt: nowMs - 50,
  endedAt: nowMs - 10,
}

const check = (
  changes: Partial<Receipt.Receipt> = {},
  other: Partial<checkReceipt.Facts> = {},
  signer = provider,
) =>
  checkReceipt(Receipt.sign(domain, { ...right, ...changes }, signer), { ...facts, ...other })?.code

describe('checkReceipt', () => {
  test('finds nothing in the receipt that is owed', () => {
    expect(check()).toBeUndefined()
  })

  test.each([
    ['job', { job: Hex.zero }, 'Receipt.JobDiffers'],
    ['lease', { lease: Hex.zero }, 'Receipt.LeaseDiffers'],
    ['buyer', { buyer: stranger.address }, 'Receipt.BuyerDiffers'],
    ['provider', { provider: stranger.address }, 'Receipt.ProviderDiffers'],
    ['request', { request: Hex.zero }, 'Receipt.RequestDiffers'],
    ['output', { output: Hex.zero }, 'Receipt.OutputDiffers'],
    ['model', { model: 'poems' }, 'Receipt.ModelDiffers'],
    ['weights', { weights: Hex.zero }, 'Receipt.WeightsDiffers'],
    ['quantisation', { quantisation: 'q2' }, 'Receipt.QuantisationDiffers'],
    ['engine', { engine: 'words 2' }, 'Receipt.EngineDiffers'],
    ['tier', { tier: 'unverified' }, 'Receipt.TierDiffers'],
    ['seed', { seed: 8 }, 'Receipt.SeedDiffers'],
    ['temperature', { temperatureMicro: 1 }, 'Receipt.TemperatureDiffers'],
    ['top p', { topPMicro: 1 }, 'Receipt.TopPDiffers'],
    ['token limit', { maxTokens: 9 }, 'Receipt.MaxTokensDiffers'],
    ['price', { priceMicroUsd: 8n }, 'Receipt.PriceDiffers'],
    ['price, to nothing', { priceMicroUsd: 0n }, 'Receipt.PriceDiffers'],
    ['price without a meter', { readyAt: 0 }, 'Receipt.PriceDiffers'],
    [
      'length beyond what was asked',
      { outputTokens: 9, priceMicroUsd: 21n },
      'Receipt.OutputTokensTooHigh',
    ],
    [
      'length beyond what came',
      { outputTokens: 4, priceMicroUsd: 11n },
      'Receipt.OutputTokensTooHigh',
    ],
    ['input', { inputTokens: 9_999, priceMicroUsd: 10_003n }, 'Receipt.InputTokensTooHigh'],
    ['order of times', { startedAt: nowMs }, 'Receipt.StartedAtTooHigh'],
    ['meter', { readyAt: nowMs }, 'Receipt.ReadyAtTooHigh'],
    ['end', { endedAt: nowMs + 30_001 }, 'Receipt.EndedAtTooHigh'],
    ['start', { startedAt: nowMs - 31_000 }, 'Receipt.StartedAtTooEarly'],
  ] as const)('finds another %s', (_, changes, code) => {
    expect(check(changes)).toBe(code)
  })

  test('finds a signature that is another’s, or for another network', () => {
    expect(check({}, {}, stranger)).toBe('Receipt.NotSigned')
    const signed = Receipt.sign({ ...domain, chainId: 2 }, right, provider)
    expect(checkReceipt(signed, facts)?.code).toBe('Receipt.NotSigned')
  })

  test('lets a probe cost nothing only', () => {
    expect(check({ readyAt: 0, priceMicroUsd: 0n }, { metered: false })).toBeUndefined()
    expect(check({}, { metered: false })).toBe('Receipt.PriceDiffers')
    expect(check({ readyAt: 0, priceMicroUsd: 0n })).toBeUndefined()
  })

  test('counts tokens that a stop text swallowed as made', () => {
    const stopping = wordRequest({ maxTokens: 8, stop: ['stop'] })
    const hash = Completion.hashRequest(stopping)
    const changes = { request: hash, outputTokens: 6, priceMicroUsd: 15n }
    expect(check(changes, { request: stopping, job: { ...job, request: hash } })).toBeUndefined()
  })
})

describe('inputTokensLimit', () => {
  test('is never below one token a byte', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'grapheme' }), { minLength: 1 }), (contents) => {
        const messages = contents.map((content) => ({ role: 'user' as const, content }))
        const bytes = Buffer.byteLength(contents.join(''))
        const chat = wordRequest({ input: { kind: 'chat', messages } })
        const text = wordRequest({ input: { kind: 'text', prompt: contents.join('') } })
        expect(inputTokensLimit(chat)).toBeGreaterThanOrEqual(bytes)
        expect(inputTokensLimit(text)).toBeGreaterThanOrEqual(bytes)
      }),
    )
  })
})
