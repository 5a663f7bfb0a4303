import type * as Completion from '../../protocol/Completion.ts'
import type * as Hex from '../../protocol/Hex.ts'
import type { Reason } from '../../protocol/Exchange.ts'
import type * as Offer from '../../protocol/Offer.ts'
import { BusyError, NoProviderError, type Refusal } from '../Buyer.ts'
import type { OfferBook } from '../offerBook.ts'
import { raisesLimit, type Wanted } from '../requestBids.ts'
import { nextPass, route } from '../route.ts'
import type { Context } from './context.ts'
import type { Funds } from './funds.ts'
import {
  availableMicroUsd,
  expiresAtMs,
  providerOf,
  signedMicroUsd,
  worstCostMicroUsd,
  type Held,
} from './held.ts'
import { close, raise, type Probe } from './lifecycle.ts'
import { concerns, openLeases, serves, unusable, type Round } from './openLeases.ts'
import { drainMs } from './tend.ts'

/** A place in a lease for one job; `release` gives it back, and the money held for it. */
export type Place = { readonly held: Held; release(): void }

/** Finds places for jobs, and leases where there are none. */
export type Desk = {
  /**
   * Waits for a place in a ready lease of another provider than those that were tried.
   *
   * @throws {NoProviderError} when there is none and there will be none soon.
   */
  acquire(need: Need): Promise<Place>
  /** Opens what is missing, in the background; the longer nobody would serve, the more rarely it asks. */
  keep(wanted: Wanted): void
}

export type Need = {
  readonly wanted: Wanted
  readonly request: Completion.Request
  readonly maxMicroUsd: bigint | undefined
  /** Providers that failed this completion, and why. */
  readonly tried: ReadonlyMap<Hex.Address, Reason>
  readonly deadline: number
  readonly signal: AbortSignal
}

type Market = {
  running: boolean
  last: Round | undefined
  endedAt: number
  /** Rounds in a row in which nobody would. */
  fruitless: number
}

/** Pause between rounds for the same model and tier. */
const pauseMs = 1_000

/** How long after the start no offer may have been heard yet, or only those of cheats. */
const quietMs = 10_000

/** Models and tiers whose last round is remembered. */
const marketsLimit = 1_000

export function createDesk(
  context: Context,
  ports: { book: OfferBook; funds: Funds; probe: Probe },
): Desk {
  const { clock, settings, bell, background } = context
  const startedAt = clock.now()
  const markets = new Map<string, Market>()
  let queued = 0

  function marketOf({ model, tier }: Wanted): Market {
    const key = `${tier} ${model}`
    const known = markets.get(key)
    if (known) return known
    if (markets.size >= marketsLimit) markets.delete(markets.keys().next().value!)
    const market: Market = { running: false, last: undefined, endedAt: 0, fruitless: 0 }
    markets.set(key, market)
    return market
  }

  const leasesFor = (wanted: Wanted) =>
    [...context.leases.values()].filter((held) => concerns(held, wanted))

  /** How many leases there should be more of those that serve or are about to, and will for a while. */
  const missing = (wanted: Wanted, tried?: Need['tried']) =>
    settings.providersPerModel -
    leasesFor(wanted).filter(
      (held) =>
        !tried?.has(providerOf(held)) &&
        (held.state === 'ready' || held.state === 'signed' || held.state === 'open') &&
        clock.now() < expiresAtMs(held) - 2 * drainMs(context),
    ).length

  function ensure(wanted: Wanted, tried?: Need['tried']): void {
    const market = marketOf(wanted)
    const count = missing(wanted, tried)
    const resting = market.last && clock.now() < market.endedAt + pauseMs
    if (market.running || resting || count <= 0) return
    market.running = true
    background.run('round', async () => {
      try {
        market.last = await openLeases(context, wanted, { ...ports, count })
        market.fruitless = market.last.opened > 0 ? 0 : market.fruitless + 1
      } finally {
        market.running = false
        market.endedAt = clock.now()
        bell.ring()
      }
    })
  }

  /** A lease with a place and the money for this job; asks for more money where only that is missing. */
  function take({ wanted, request, maxMicroUsd, tried }: Need): Held | undefined {
    const now = clock.now()
    const usable = leasesFor(wanted).filter(
      (held) =>
        held.state === 'ready' &&
        held.restUntil <= now &&
        now < expiresAtMs(held) - drainMs(context) &&
        !tried.has(providerOf(held)) &&
        (maxMicroUsd === undefined || worstCostMicroUsd(held, request) <= maxMicroUsd),
    )
    const funded = usable.filter((held) => {
      const cost = worstCostMicroUsd(held, request)
      const left = availableMicroUsd(held) - cost
      if (left < settings.leaseBudgetMicroUsd / 4n) grow(context, held, cost)
      return left >= 0n
    })
    return route(
      funded.map((held) => ({
        held,
        provider: providerOf(held),
        inFlight: held.inFlight,
        concurrency: Math.min(held.bid.message.concurrency, settings.concurrency),
        pass: held.pass,
      })),
    )?.held
  }

  function place(held: Held, request: Completion.Request): Place {
    const cost = worstCostMicroUsd(held, request)
    held.inFlight++
    held.heldMicroUsd += cost
    held.pass = nextPass(held.pass, context.providers.score(providerOf(held)))
    let released = false
    return {
      held,
      release() {
        if (released) return
        released = true
        held.inFlight--
        held.heldMicroUsd -= cost
        bell.ring()
      },
    }
  }

  /** Whether waiting can help: a round runs, or a lease is on its way, full, or being raised. */
  function hopeful({ wanted, tried, maxMicroUsd, request }: Need): boolean {
    const { running, last, endedAt } = marketOf(wanted)
    if (running || (last && clock.now() < endedAt + pauseMs && last.opened > 0)) return true
    const offers = ports.book.current().filter((offer) => serves(offer, wanted))
    const honest = offers.some(({ provider }) => !context.providers.excluded(provider))
    if (!honest && clock.now() < startedAt + quietMs) return true
    const unseen = offers.some(({ provider }) => !last?.seen.has(provider))
    if (unseen && missing(wanted, tried) > 0) return true
    return leasesFor(wanted).some((held) => {
      if (tried.has(providerOf(held))) return false
      if (held.state === 'signed' || held.state === 'open') return true
      const affordable =
        maxMicroUsd === undefined || worstCostMicroUsd(held, request) <= maxMicroUsd
      const funded = held.raising || availableMicroUsd(held) >= worstCostMicroUsd(held, request)
      const busy = held.heldMicroUsd > 0n
      return held.state === 'ready' && affordable && (funded || busy)
    })
  }

  const refuse = (need: Need, round: Round | undefined) =>
    refused(context, need, { round, offers: ports.book.current() })

  return {
    keep(wanted) {
      const { last, endedAt, fruitless } = marketOf(wanted)
      const offers = ports.book.current().filter((offer) => serves(offer, wanted))
      const news = offers.some(({ provider }) => !last?.seen.has(provider))
      const restMs = Math.min(60_000, pauseMs * 2 ** Math.min(6, fruitless))
      if (news || clock.now() >= endedAt + restMs) ensure(wanted)
    },
    async acquire(need) {
      ensure(need.wanted, need.tried)
      const free = take(need)
      if (free) return place(free, need.request)
      return await waitForPlace(need)
    },
  }

  async function waitForPlace(need: Need): Promise<Place> {
    if (queued >= settings.queueLimit) throw new BusyError({ queued })
    queued++
    const deadline = new AbortController()
    const signal = AbortSignal.any([need.signal, background.signal, deadline.signal])
    const timer = clock.sleep(need.deadline - clock.now(), { signal: deadline.signal })
    void timer.then(() => deadline.abort(timeUp)).catch(() => {})
    let asked = false
    try {
      for (;;) {
        ensure(need.wanted, need.tried)
        const held = take(need)
        if (held) return place(held, need.request)
        const market = marketOf(need.wanted)
        if (!hopeful(need) && (asked || market.last) && !market.running)
          throw refuse(need, market.last)
        asked = true
        await waitABit(signal)
      }
    } catch (error) {
      if (error !== timeUp) throw error
      throw refuse(need, marketOf(need.wanted).last)
    } finally {
      queued--
      deadline.abort(over)
    }
  }

  /** The bell rings for what changes by an event; time alone changes things too. */
  async function waitABit(signal: AbortSignal): Promise<void> {
    const either = new AbortController()
    const ended = AbortSignal.any([signal, either.signal])
    const tick = clock.sleep(pauseMs / 2, { signal: ended })
    const rung = bell.next(ended)
    tick.catch(() => {})
    rung.catch(() => {})
    try {
      await Promise.race([tick, rung])
    } finally {
      either.abort(over)
    }
  }
}

/** One reason for all: to make an error, with its stack, for every wait would be waste. */
const over = new DOMException('The wait is over.', 'AbortError')
const timeUp = new DOMException('No provider was found in time.', 'TimeoutError')

/** Raises a lease that nears its end, or lets it end when it has grown enough. */
function grow(context: Context, held: Held, costMicroUsd: bigint): void {
  const { leaseBudgetMicroUsd } = context.settings
  const by = costMicroUsd > leaseBudgetMicroUsd ? costMicroUsd : leaseBudgetMicroUsd
  if (held.restUntil > context.clock.now()) return
  if (held.lease.message.totalMicroUsd + by <= leaseBudgetMicroUsd * raisesLimit)
    return raise(context, held, by)
  if (
    availableMicroUsd(held) < costMicroUsd &&
    held.heldMicroUsd === 0n &&
    signedMicroUsd(held) > 0n
  )
    close(context, held, { code: 'Buyer.LeaseSpent', message: 'What it reserves is spent.' })
}

function refused(
  context: Context,
  need: Need,
  { round, offers }: { round: Round | undefined; offers: readonly Offer.Offer[] },
): NoProviderError {
  const { wanted, tried, maxMicroUsd, request } = need
  const refusals = new Map<Hex.Address, readonly Reason[]>()
  for (const { provider, reasons } of round?.refusals ?? []) refusals.set(provider, reasons)
  for (const held of context.leases.values()) {
    if (!concerns(held, wanted) || held.state === 'closing') continue
    const cost = worstCostMicroUsd(held, request)
    refusals.set(providerOf(held), [
      maxMicroUsd !== undefined && cost > maxMicroUsd
        ? {
            code: 'Buyer.TooExpensive',
            message: `It may cost ${cost} micro-USD; at most ${maxMicroUsd} are allowed.`,
          }
        : {
            code: 'Buyer.LeaseNotUsable',
            message: `Its lease is ${held.state}, has ${availableMicroUsd(held)} micro-USD left for a job of up to ${cost}.`,
          },
    ])
  }
  for (const { provider } of offers) {
    const excluded = unusable(context, wanted, provider)
    if (excluded?.code === 'Buyer.ProviderExcluded') refusals.set(provider, [excluded])
  }
  for (const [provider, reason] of tried) refusals.set(provider, [reason])
  const list: Refusal[] = [...refusals].map(([provider, reasons]) => ({ provider, reasons }))
  return new NoProviderError({ ...wanted, refusals: list, reasons: round?.reasons })
}
