import type * as Bid from '../protocol/Bid.ts'
import type * as Completion from '../protocol/Completion.ts'

/** Prices per million tokens, as bids and orders name them. */
export type Prices = Pick<Bid.Bid, 'inputMicroUsdPerMillion' | 'outputMicroUsdPerMillion'>

/** What an accepted bid is paid: never less than it asked, never more than the ceiling. */
export type Award<bidder> = { readonly bidder: bidder; readonly prices: Prices }

/**
 * Clears a sealed reverse auction. The `winners` lowest bids win, and each is paid the price at which it
 * would have tied with the best losing bid (the second price; with quality, the second score, Che 1993),
 * so what a winner is paid does not depend on what it bid and bidding one's cost is the best strategy.
 *
 * One number stands for a bid's two prices: the price of an expected job, plus a handicap for what the
 * buyer likes less about the bidder. The award scales both prices by the same factor and rounds down.
 * Where nobody lost there is no second price, and the winner is paid what it asked: a thin market is
 * never charged the buyer's ceiling. Ties fall to the bidder listed first.
 */
export function auction<bidder extends auction.Bidder>(
  bidders: readonly bidder[],
  options: auction.Options,
): readonly Award<bidder>[] {
  const { usage, ceilings, winners, rule = 'second-price' } = options
  const eligible = bidders.filter(({ prices }) => within(prices, ceilings))
  const ranked = eligible
    .map((bidder, index) => ({ bidder, index, adjusted: adjusted(bidder, usage, ceilings) }))
    .toSorted((a, b) =>
      a.adjusted === b.adjusted ? a.index - b.index : a.adjusted < b.adjusted ? -1 : 1,
    )
  const best = ranked.slice(0, Math.max(0, winners))
  const loser = rule === 'second-price' ? ranked[best.length] : undefined
  return best.map(({ bidder, adjusted: own }) => ({
    bidder,
    prices: loser
      ? raise(bidder.prices, loser.adjusted - own, {
          usage,
          ceilings,
          reference: loser.bidder.prices,
        })
      : bidder.prices,
  }))
}

export declare namespace auction {
  type Bidder = {
    readonly prices: Prices
    /** Handicap in millionths of what the expected job costs at the ceilings. @default 0 */
    readonly handicapMicro?: number | undefined
  }
  type Options = {
    /** The expected job: the yardstick that makes two prices comparable. */
    readonly usage: Completion.Usage
    readonly ceilings: Prices
    /** How many bids to accept. */
    readonly winners: number
    /** `pay-as-bid` pays every winner what it asked. @default 'second-price' */
    readonly rule?: 'second-price' | 'pay-as-bid' | undefined
  }
}

/** What the expected job costs, times a million, so that nothing is rounded. */
export function expectedCost(prices: Prices, usage: Completion.Usage): bigint {
  return (
    prices.inputMicroUsdPerMillion * BigInt(usage.inputTokens) +
    prices.outputMicroUsdPerMillion * BigInt(usage.outputTokens)
  )
}

/** Whether neither price is above its ceiling. */
export function within(prices: Prices, ceilings: Prices): boolean {
  return (
    prices.inputMicroUsdPerMillion <= ceilings.inputMicroUsdPerMillion &&
    prices.outputMicroUsdPerMillion <= ceilings.outputMicroUsdPerMillion
  )
}

function adjusted(bidder: auction.Bidder, usage: Completion.Usage, ceilings: Prices): bigint {
  const handicap = BigInt(Math.round(bidder.handicapMicro ?? 0))
  return (
    expectedCost(bidder.prices, usage) + (expectedCost(ceilings, usage) * handicap) / 1_000_000n
  )
}

/** Scales prices so that the expected job costs `by` more; a free bid takes the loser's proportions. */
function raise(
  prices: Prices,
  by: bigint,
  {
    usage,
    ceilings,
    reference,
  }: Pick<auction.Options, 'usage' | 'ceilings'> & { reference: Prices },
): Prices {
  const own = expectedCost(prices, usage)
  const base = own === 0n ? reference : prices
  const cost = expectedCost(base, usage)
  if (cost === 0n) return prices
  const scale = (price: bigint, least: bigint, most: bigint) =>
    clamp((price * (own + by)) / cost, least, most)
  return {
    inputMicroUsdPerMillion: scale(
      base.inputMicroUsdPerMillion,
      prices.inputMicroUsdPerMillion,
      ceilings.inputMicroUsdPerMillion,
    ),
    outputMicroUsdPerMillion: scale(
      base.outputMicroUsdPerMillion,
      prices.outputMicroUsdPerMillion,
      ceilings.outputMicroUsdPerMillion,
    ),
  }
}

function clamp(value: bigint, least: bigint, most: bigint): bigint {
  if (value < least) return least
  return value > most ? most : value
}
