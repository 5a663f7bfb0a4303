import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { auction, expectedCost, within, type Prices } from './auction.ts'

const usage = { inputTokens: 500, outputTokens: 250 }
const ceilings = prices(10_000n, 10_000n)

function prices(input: bigint, output: bigint): Prices {
  return { inputMicroUsdPerMillion: input, outputMicroUsdPerMillion: output }
}

const amount = fc.bigInt({ min: 0n, max: 12_000n })
const bidders = fc.array(
  fc.record({
    name: fc.string({ minLength: 1, maxLength: 4 }),
    prices: fc.tuple(amount, amount).map(([input, output]) => prices(input, output)),
    handicapMicro: fc.integer({ min: 0, max: 500_000 }),
  }),
  { maxLength: 12 },
)
const outputOnly = { inputTokens: 0, outputTokens: 100 }

describe('auction', () => {
  test('pays the winner what the second asked', () => {
    const bids = [prices(0n, 300n), prices(0n, 100n), prices(0n, 200n)].map((each) => ({
      prices: each,
    }))
    const [award] = auction(bids, { usage: outputOnly, ceilings, winners: 1 })
    expect(award?.bidder).toBe(bids[1])
    expect(award?.prices).toEqual(prices(0n, 200n))
  })

  test('pays every one of several winners the price of the first loser', () => {
    const bids = [100n, 200n, 300n].map((output) => ({ prices: prices(0n, output) }))
    const awards = auction(bids, { usage: outputOnly, ceilings, winners: 2 })
    expect(awards.map((award) => award.prices.outputMicroUsdPerMillion)).toEqual([300n, 300n])
  })

  test('pays what was asked where nobody lost, or where the rule says so', () => {
    const bids = [100n, 200n].map((output) => ({ prices: prices(0n, output) }))
    const all = auction(bids, { usage, ceilings, winners: 2 })
    expect(all.map((award) => award.prices)).toEqual(bids.map((bid) => bid.prices))
    const [first] = auction(bids, { usage, ceilings, winners: 1, rule: 'pay-as-bid' })
    expect(first?.prices).toEqual(prices(0n, 100n))
  })

  test('raises both prices in proportion, and a free bid to the proportions of the loser', () => {
    const loser = { prices: prices(200n, 400n) }
    const [scaled] = auction([{ prices: prices(100n, 200n) }, loser], {
      usage,
      ceilings,
      winners: 1,
    })
    expect(scaled?.prices).toEqual(prices(200n, 400n))
    const [free] = auction([{ prices: prices(0n, 0n) }, loser], { usage, ceilings, winners: 1 })
    expect(free?.prices).toEqual(prices(200n, 400n))
  })

  test('lets a better bidder win at a higher price, and pays it for its quality', () => {
    const good = { prices: prices(0n, 1_000n), handicapMicro: 0 }
    const bad = { prices: prices(0n, 900n), handicapMicro: 100_000 }
    const [award] = auction([bad, good], { usage: outputOnly, ceilings, winners: 1 })
    expect(award?.bidder).toBe(good)
    expect(award?.prices.outputMicroUsdPerMillion).toBe(1_900n)
  })

  test('lets nobody in above a ceiling, and ties fall to who stands first', () => {
    expect(auction([{ prices: prices(10_001n, 0n) }], { usage, ceilings, winners: 1 })).toEqual([])
    const [a, b] = [{ prices: prices(1n, 1n) }, { prices: prices(1n, 1n) }]
    expect(auction([a, b], { usage, ceilings, winners: 1 })[0]?.bidder).toBe(a)
    expect(auction([b, a], { usage, ceilings, winners: 1 })[0]?.bidder).toBe(b)
  })

  test('pays at least the bid, at most the ceiling, and no more than the tie with the best loser', () => {
    fc.assert(
      fc.property(bidders, fc.integer({ min: 1, max: 4 }), (bids, winners) => {
        const awards = auction(bids, { usage, ceilings, winners })
        const eligible = bids.filter((bid) => within(bid.prices, ceilings))
        expect(awards.length).toBe(Math.min(winners, eligible.length))
        const won = new Set(awards.map(({ bidder }) => bidder))
        const score = (bid: (typeof bids)[number], cost = expectedCost(bid.prices, usage)) =>
          cost + (expectedCost(ceilings, usage) * BigInt(bid.handicapMicro)) / 1_000_000n
        const losers = eligible.filter((bid) => !won.has(bid)).map((bid) => score(bid))
        for (const { bidder, prices: paid } of awards) {
          expect(within(bidder.prices, paid)).toBe(true)
          expect(within(paid, ceilings)).toBe(true)
          for (const loser of losers) {
            expect(score(bidder)).toBeLessThanOrEqual(loser)
            expect(score(bidder, expectedCost(paid, usage))).toBeLessThanOrEqual(loser)
          }
        }
      }),
    )
  })

  test('makes it useless to bid anything but one’s cost, while somebody loses', () => {
    const cost = fc.bigInt({ min: 0n, max: 9_000n })
    fc.assert(
      fc.property(
        cost,
        cost,
        fc.array(cost, { minLength: 1, maxLength: 5 }),
        (own, lie, rivals) => {
          const profit = (ask: bigint) => {
            const me = { prices: prices(0n, ask) }
            const all = [me, ...rivals.map((output) => ({ prices: prices(0n, output) }))]
            const award = auction(all, { usage: outputOnly, ceilings, winners: 1 }).find(
              ({ bidder }) => bidder === me,
            )
            return award ? award.prices.outputMicroUsdPerMillion - own : 0n
          }
          expect(profit(own)).toBeGreaterThanOrEqual(profit(lie))
        },
      ),
    )
  })
})

describe('expectedCost', () => {
  test('counts in millionths of a micro-USD, so that nothing is rounded', () => {
    expect(expectedCost(prices(3n, 7n), { inputTokens: 1, outputTokens: 1 })).toBe(10n)
  })
})

describe('within', () => {
  test('holds each price against its own ceiling', () => {
    expect(within(prices(1n, 1n), prices(1n, 1n))).toBe(true)
    expect(within(prices(2n, 0n), prices(1n, 9n))).toBe(false)
  })
})
