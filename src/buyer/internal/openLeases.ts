import { select, type Candidate } from '../../market/index.ts'
import * as Bid from '../../protocol/Bid.ts'
import type { Reason } from '../../protocol/Exchange.ts'
import * as Hex from '../../protocol/Hex.ts'
import * as Lease from '../../protocol/Lease.ts'
import type * as Offer from '../../protocol/Offer.ts'
import type { Refusal } from '../Buyer.ts'
import type { OfferBook } from '../offerBook.ts'
import { requestBids, type Answer, type Wanted } from '../requestBids.ts'
import type { Context } from './context.ts'
import { emptyDeposit, type Funds } from './funds.ts'
import { hold, providerOf, rowOf, tierOf, type Held } from './held.ts'
import { bringUp, deadlineFrom, type Probe } from './lifecycle.ts'

/** What a round came to: how many leases were signed, and why everybody else got none. */
export type Round = {
  readonly opened: number
  /** Whose offers were looked at. */
  readonly seen: ReadonlySet<Hex.Address>
  readonly refusals: readonly Refusal[]
  /** What stands in the way on our own side. */
  readonly reasons: readonly Reason[]
}

/** Leases held at once, of all models together. */
const leasesLimit = 1_000

/**
 * One round of the market for a model and tier: orders, bids, the auction, and a signed lease for each
 * winner, which is then brought up in the background.
 */
export async function openLeases(
  context: Context,
  wanted: Wanted,
  ports: { book: OfferBook; funds: Funds; probe: Probe; count: number },
): Promise<Round> {
  const { settings, providers } = context
  const { book, funds, probe, count } = ports
  const refusals: Refusal[] = []
  const offers = book.current()
  const seen = new Set(offers.map(({ provider }) => provider))
  const candidates = offers.filter((offer) => {
    const refusal = unusable(context, wanted, offer.provider)
    if (refusal) refusals.push({ provider: offer.provider, reasons: [refusal] })
    return !refusal
  })
  // Those who have the model are asked first; the others answer for themselves, by screening.
  candidates.sort((a, b) => Number(serves(b, wanted)) - Number(serves(a, wanted)))
  const answers = await requestBids(context, wanted, candidates)
  const bids = answers.flatMap((answer) => (answer.type === 'bid' ? [answer] : []))
  for (const { offer, ...answer } of answers)
    if (answer.type === 'declined')
      refusals.push({ provider: offer.provider, reasons: answer.reasons })
  const awards = select(
    bids.map(({ bid, offer, latencyMs }): Candidate => ({
      bid: bid.message,
      latencyMs: providers.latencyMs(offer.provider) ?? latencyMs,
      reputation: providers.score(offer.provider),
      watts: offer.watts,
      share: providers.share(offer.provider),
    })),
    {
      policy: settings.policy,
      usage: settings.expectedUsage,
      ceilings: settings.ceilings,
      winners: Math.min(count, leasesLimit - context.leases.size),
      rule: settings.auctionRule,
    },
  )
  if (awards.length === 0) return { opened: 0, seen, refusals, reasons: [] }
  const wantedMicroUsd = settings.leaseBudgetMicroUsd * BigInt(awards.length)
  const total = (await funds.reservable(wantedMicroUsd)) / BigInt(awards.length)
  if (total <= 0n) {
    const reasons = [emptyDeposit(total, settings.leaseBudgetMicroUsd)]
    return { opened: 0, seen, refusals, reasons }
  }
  for (const { bidder, prices } of awards) {
    const answer = bids.find(({ bid }) => bid.message === bidder.candidate.bid)!
    const held = await sign(context, answer, prices, total)
    bringUp(context, held, probe)
  }
  return { opened: awards.length, seen, refusals, reasons: [] }
}

/** Why a provider is not even asked. */
export function unusable(
  context: Context,
  wanted: Wanted,
  provider: Hex.Address,
): Reason | undefined {
  const excluded = context.providers.excluded(provider)
  if (excluded)
    return {
      code: 'Buyer.ProviderExcluded',
      message: `It is not used any more: ${excluded.code}: ${excluded.message}`,
    }
  const held = [...context.leases.values()].find(
    (lease) =>
      providerOf(lease) === provider && concerns(lease, wanted) && lease.state !== 'closing',
  )
  if (!held) return undefined
  return { code: 'Buyer.LeaseHeld', message: `A lease with it is ${held.state} already.` }
}

/** Whether an offer names the model. */
export function serves({ models }: Pick<Offer.Offer, 'models'>, { model }: Wanted): boolean {
  return models.some(({ id }) => id === model)
}

/** Whether a lease is for this model and tier. */
export function concerns(held: Held, { model, tier }: Wanted): boolean {
  return held.bid.message.model === model && tierOf(held) === tier && held.state !== 'settled'
}

async function sign(
  context: Context,
  answer: Answer & { type: 'bid' },
  prices: Held['prices'],
  totalMicroUsd: bigint,
): Promise<Held> {
  const { identity, chain, clock, random, settings, journal, timeline } = context
  const { offer, bid, order } = answer
  const now = clock.now()
  const lease: Lease.Lease = {
    buyer: identity.address,
    provider: offer.provider,
    // 63 bits, so that no reader of the chain takes it for a negative number.
    nonce: BigInt(Hex.from(random.bytes(8))) >> 1n,
    totalMicroUsd,
    expirySeconds: Math.floor((now + settings.leaseDurationMs) / 1000),
    deadlineSeconds: deadlineFrom(now),
    terms: Bid.hash(chain.domain, bid.message),
  }
  const held = hold({
    lease: Lease.sign(chain.domain, lease, identity),
    bid,
    order,
    prices: {
      inputMicroUsdPerMillion: prices.inputMicroUsdPerMillion,
      outputMicroUsdPerMillion: prices.outputMicroUsdPerMillion,
    },
    peerId: offer.peerId,
    addresses: offer.addresses.slice(0, 16),
    state: 'signed',
    confirmedMicroUsd: 0n,
    readied: false,
    unsent: { paid: [], refused: [] },
    createdAt: now,
  })
  await journal.save({ lease: rowOf(held) })
  held.pass = Math.min(Infinity, ...[...context.leases.values()].map(({ pass }) => pass))
  if (!Number.isFinite(held.pass)) held.pass = 0
  context.leases.set(held.id, held)
  timeline.note({ subject: 'lease', id: held.id, code: 'lease-signed', parent: order })
  return held
}
