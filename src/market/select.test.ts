import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type * as Bid from '../protocol/Bid.ts'
import * as Hex from '../protocol/Hex.ts'
import { criteria, handicapMicro, policies, select, type Candidate } from './select.ts'

const usage = { inputTokens: 0, outputTokens: 100 }
const ceilings = { inputMicroUsdPerMillion: 10_000n, outputMicroUsdPerMillion: 10_000n }

function candidate(facts: Partial<Candidate> & { id?: number; ask?: bigint } = {}): Candidate {
  const { id = 1, ask = 1_000n, ...rest } = facts
  const bid: Bid.Bid = {
    order: Hex.sha256('order'),
    provider: `0x${id.toString(16).padStart(40, '0')}`,
    model: 'words',
    weights: Hex.zero,
    quantisation: '',
    engine: '',
    tier: 'statistical',
    inputMicroUsdPerMillion: 0n,
    outputMicroUsdPerMillion: ask,
    concurrency: 1,
    creditMicroUsd: 0n,
    expiresAt: 1,
  }
  return { bid, latencyMs: 100, reputation: 0.9, watts: 100, share: 0, ...rest }
}

const winner = (candidates: readonly Candidate[], policy: keyof typeof policies) =>
  select(candidates, { usage, ceilings, winners: 1, policy: policies[policy] })[0]?.bidder.candidate

describe('select', () => {
  test('takes the cheapest when only the price counts', () => {
    const [a, b] = [candidate({ id: 1, ask: 999n, reputation: 0.1 }), candidate({ id: 2 })]
    expect(winner([a, b], 'cheapest')).toBe(a)
    expect(winner([a, b], 'balanced')).toBe(b)
  })

  test.each([
    ['the quicker', { latencyMs: 900 }, 'fastest'],
    ['the more reliable', { reputation: 0.4 }, 'balanced'],
    ['the one used less', { share: 0.9 }, 'balanced'],
    ['the one that draws less', { watts: 900 }, 'balanced'],
  ] as const)('prefers %s at the same price', (_, worse, policy) => {
    const [bad, good] = [candidate({ id: 1, ...worse }), candidate({ id: 2 })]
    expect(winner([bad, good], policy)).toBe(good)
    expect(winner([good, bad], policy)).toBe(good)
  })

  test('does not depend on the order in which bids came', () => {
    const many = fc.uniqueArray(
      fc.record({ id: fc.integer({ min: 1, max: 50 }), ask: fc.bigInt({ min: 1n, max: 9_000n }) }),
      { selector: ({ id }) => id, minLength: 1, maxLength: 8 },
    )
    fc.assert(
      fc.property(many, fc.integer({ min: 1, max: 3 }), (facts, winners) => {
        const candidates = facts.map((each) => candidate(each))
        const awards = (list: readonly Candidate[]) =>
          select(list, { usage, ceilings, winners }).map(({ bidder, prices }) => [
            bidder.candidate.bid.provider,
            prices.outputMicroUsdPerMillion,
          ])
        expect(awards(candidates.toReversed())).toEqual(awards(candidates))
      }),
    )
  })

  test('draws lots between equals anew for every order', () => {
    const equals = [1, 2].map((id) => candidate({ id }))
    const winners = Array.from({ length: 40 }, (_, n) => {
      const order = Hex.sha256(`order ${n}`)
      const list = equals.map((each) => ({ ...each, bid: { ...each.bid, order } }))
      return winner(list, 'balanced')?.bid.provider
    })
    expect(new Set(winners).size).toBe(2)
  })
})

describe('criteria', () => {
  test('stay within 0 and 1, whatever they are given', () => {
    const any = fc.record({
      latencyMs: fc.option(fc.double(), { nil: undefined }),
      reputation: fc.double(),
      watts: fc.double(),
      share: fc.double(),
    })
    fc.assert(
      fc.property(any, (facts) => {
        for (const criterion of Object.values(criteria)) {
          const badness = criterion(candidate(facts as Partial<Candidate>))
          expect(badness).toBeGreaterThanOrEqual(0)
          expect(badness).toBeLessThanOrEqual(1)
        }
      }),
    )
  })

  test('rank the tiers from exact to unverified', () => {
    const badness = (tier: string) =>
      criteria.tier(candidate({ bid: { ...candidate().bid, tier } }))
    expect(badness('exact')).toBe(0)
    expect(badness('statistical')).toBeLessThan(badness('unverified'))
    expect(badness('no tier')).toBe(1)
  })
})

describe('handicapMicro', () => {
  test('is the weighted sum, and never below zero', () => {
    const facts = { latencyMs: 500, reputation: 1, watts: 1, share: 0 }
    const policy = { ...policies.cheapest, latency: 0.5 }
    expect(handicapMicro(candidate(facts), policy)).toBe(250_000)
    expect(handicapMicro(candidate(facts), { ...policy, latency: -1 })).toBe(0)
  })
})
