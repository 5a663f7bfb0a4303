import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as Hex from '../protocol/Hex.ts'
import type * as Offer from '../protocol/Offer.ts'
import type * as Order from '../protocol/Order.ts'
import { codes, modelFor, screen } from './screen.ts'

const nowMs = 1_000_000
const weights = Hex.sha256('weights')

const model: Offer.Model = {
  id: 'words',
  weights,
  quantisation: 'none',
  engine: 'words 1',
  contextTokens: 4096,
  tiers: ['statistical', 'unverified'],
  inputMicroUsdPerMillion: 1_000n,
  outputMicroUsdPerMillion: 2_000n,
}

const offer: Offer.Offer = {
  provider: `0x${'11'.repeat(20)}`,
  peerId: 'peer',
  addresses: [],
  bulkUrl: '',
  bulkCertificate: Hex.zero,
  models: [model],
  hardware: { cpu: '', cores: 1, memoryBytes: 1n, diskBytes: 1n, gpus: [] },
  region: '',
  concurrency: 4,
  watts: 0,
  issuedAt: nowMs - 1_000,
  expiresAt: nowMs + 10_000,
}

const order: Order.Order = {
  nonce: Hex.zero,
  buyer: `0x${'22'.repeat(20)}`,
  model: 'words',
  weights: Hex.zero,
  tier: 'statistical',
  maxInputMicroUsdPerMillion: 1_000n,
  maxOutputMicroUsdPerMillion: 2_000n,
  budgetMicroUsd: 1_000_000n,
  durationMs: 3_600_000,
  concurrency: 2,
  validators: [],
  createdAt: nowMs - 10,
  expiresAt: nowMs + 5_000,
}

const codesOf = (
  changes: { order?: Partial<Order.Order>; offer?: Partial<Offer.Offer> },
  facts: Partial<screen.Facts> = {},
) =>
  screen({ ...order, ...changes.order }, { ...offer, ...changes.offer }, { nowMs, ...facts }).map(
    ({ code }) => code,
  )

describe('screen', () => {
  test('says nothing where the provider would bid', () => {
    expect(codesOf({})).toEqual([])
  })

  test.each([
    ['an expired order', { order: { expiresAt: nowMs } }, {}, codes.orderExpired],
    ['an expired offer', { offer: { expiresAt: nowMs } }, {}, codes.offerExpired],
    ['an order from the future', { order: { createdAt: nowMs + 30_001 } }, {}, codes.clockSkew],
    ['an offer from the future', { offer: { issuedAt: nowMs + 30_001 } }, {}, codes.clockSkew],
    ['another model', { order: { model: 'poems' } }, {}, codes.modelNotOffered],
    ['other weights', { order: { weights: Hex.sha256('x') } }, {}, codes.weightsDiffer],
    ['a tier that is not sold', { order: { tier: 'exact' } }, {}, codes.tierNotOffered],
    ['dear input', { order: { maxInputMicroUsdPerMillion: 999n } }, {}, codes.inputPriceTooHigh],
    ['dear output', { order: { maxOutputMicroUsdPerMillion: 1n } }, {}, codes.outputPriceTooHigh],
    ['too many jobs at once', { order: { concurrency: 5 } }, {}, codes.concurrencyTooHigh],
    ['no free place', {}, { freeConcurrency: 1 }, codes.noCapacity],
    ['a long lease', {}, { maxDurationMs: 3_599_999 }, codes.durationTooLong],
    ['a short lease', { order: { durationMs: 59_999 } }, {}, codes.durationTooShort],
    ['a small budget', {}, { minBudgetMicroUsd: 1_000_001n }, codes.budgetTooSmall],
    ['an empty deposit', {}, { freeMicroUsd: 999_999n }, codes.budgetNotDeposited],
  ] as const)('refuses %s, and nothing else about it', (_, changes, facts, code) => {
    expect(codesOf(changes, facts)).toEqual([code])
  })

  test('names every dimension at once', () => {
    const worst = { tier: 'exact', maxInputMicroUsdPerMillion: 0n, concurrency: 9, durationMs: 1 }
    expect(codesOf({ order: worst })).toEqual([
      codes.tierNotOffered,
      codes.inputPriceTooHigh,
      codes.concurrencyTooHigh,
      codes.durationTooShort,
    ])
  })

  test('writes both numbers into the sentence', () => {
    const [reason] = screen({ ...order, maxOutputMicroUsdPerMillion: 1_999n }, offer, { nowMs })
    expect(reason?.message).toBe(
      "The ask is 2000 micro-USD per million output tokens; the order's ceiling is 1999.",
    )
  })

  test('keeps its sentences within what a reply may carry, whatever words come from outside', () => {
    const long = 'x'.repeat(50_000)
    const hostile = {
      order: { model: long, tier: long },
      offer: { models: Array.from({ length: 100 }, () => ({ ...model, id: `${long}y` })) },
    }
    for (const { message } of screen(
      { ...order, ...hostile.order },
      { ...offer, ...hostile.offer },
      { nowMs },
    ))
      expect(message.length).toBeLessThanOrEqual(1024)
  })

  test('refuses on price exactly when an ask is above its ceiling', () => {
    const price = fc.bigInt({ min: 0n, max: 10_000n })
    fc.assert(
      fc.property(price, price, (input, output) => {
        const found = codesOf({
          order: { maxInputMicroUsdPerMillion: input, maxOutputMicroUsdPerMillion: output },
        })
        expect(found.includes(codes.inputPriceTooHigh)).toBe(input < 1_000n)
        expect(found.includes(codes.outputPriceTooHigh)).toBe(output < 2_000n)
      }),
    )
  })
})

describe('modelFor', () => {
  test('finds the entry that fails least, then the cheapest', () => {
    const other = { ...model, weights: Hex.sha256('other'), outputMicroUsdPerMillion: 1_500n }
    const both = { ...offer, models: [model, other] }
    expect(modelFor(order, both)).toBe(other)
    expect(modelFor({ ...order, weights }, both)).toBe(model)
    expect(modelFor({ ...order, model: 'poems' }, both)).toBeUndefined()
  })
})
