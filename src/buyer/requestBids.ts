import { ask } from '../network/Network.ts'
import { codes, screen, within } from '../market/index.ts'
import type * as Assurance from '../protocol/Assurance.ts'
import * as Bid from '../protocol/Bid.ts'
import * as Exchange from '../protocol/Exchange.ts'
import * as Hex from '../protocol/Hex.ts'
import * as Json from '../protocol/Json.ts'
import type * as Offer from '../protocol/Offer.ts'
import * as Order from '../protocol/Order.ts'
import type { Signed } from '../protocol/SignedMessage.ts'
import { codeOf, messageOf } from '../runtime/Errors.ts'
import type { Context } from './internal/context.ts'

/** A provider's answer to an order. */
export type Answer = { readonly offer: Offer.Offer; readonly order: Hex.Hex } & (
  | { readonly type: 'bid'; readonly bid: Signed<Bid.Bid>; readonly latencyMs: number }
  | { readonly type: 'declined'; readonly reasons: readonly Exchange.Reason[] }
)

/** What a round of orders is about. */
export type Wanted = { readonly model: string; readonly tier: Assurance.Tier }

/** A lease may grow to this many times what it reserves at first; after that comes a new one. */
export const raisesLimit = 8n

/** Providers that are asked in one round; the rest wait for the next. */
const askedLimit = 32

/**
 * Orders from every provider whose offer fits and gathers what they answer, each within the bid time-out.
 * An offer that does not fit is not asked; its reasons are in the answer all the same. Providers with
 * equally many places get the same order.
 */
export async function requestBids(
  context: Context,
  wanted: Wanted,
  offers: readonly Offer.Offer[],
): Promise<readonly Answer[]> {
  const { settings } = context
  const places = (offer: Offer.Offer) => Math.min(settings.concurrency, offer.concurrency)
  const groups = Map.groupBy(offers.slice(0, askedLimit), places)
  const answers = [...groups].map(async ([concurrency, group]) => {
    const order = createOrder(context, wanted, concurrency)
    const id = Order.hash(context.chain.domain, order)
    context.timeline.note({ subject: 'order', id, code: 'order-created', detail: wanted.model })
    const signed = Order.sign(context.chain.domain, order, context.identity)
    const given = await Promise.all(group.map((offer) => requestBid(context, signed, id, offer)))
    for (const answer of given) note(context, answer)
    return given
  })
  return (await Promise.all(answers)).flat()
}

function createOrder(context: Context, wanted: Wanted, concurrency: number): Order.Order {
  const { identity, clock, random, settings } = context
  const now = clock.now()
  return {
    nonce: Hex.from(random.bytes(32)),
    buyer: identity.address,
    model: wanted.model,
    weights: settings.pinnedWeights[wanted.model] ?? Hex.zero,
    tier: wanted.tier,
    maxInputMicroUsdPerMillion: settings.ceilings.inputMicroUsdPerMillion,
    maxOutputMicroUsdPerMillion: settings.ceilings.outputMicroUsdPerMillion,
    budgetMicroUsd: settings.leaseBudgetMicroUsd * raisesLimit,
    durationMs: settings.leaseDurationMs,
    concurrency,
    validators: settings.validators,
    createdAt: now,
    expiresAt: now + 2 * settings.bidTimeoutMs,
  }
}

async function requestBid(
  context: Context,
  order: Signed<Order.Order>,
  id: Hex.Hex,
  offer: Offer.Offer,
): Promise<Answer> {
  const { network, clock, settings, background, chain, providers } = context
  const declined = (reasons: readonly Exchange.Reason[]): Answer => ({
    type: 'declined',
    offer,
    order: id,
    reasons,
  })
  const screened = screen(order.message, offer, { nowMs: clock.now() })
  if (screened.length > 0) return declined(screened)
  try {
    const uncovered =
      (await understaked(context, offer.provider)) ??
      (order.message.tier === 'exact' ? await unbonded(context, offer.provider) : undefined)
    if (uncovered) return declined([uncovered])
    const askedAt = clock.now()
    const body = await ask(
      network,
      offer.peerId,
      Exchange.protocols.order,
      Order.serialize(order),
      {
        idleTimeoutMs: settings.bidTimeoutMs,
        signal: background.signal,
      },
    )
    const reply = Json.decode(Exchange.orderReply, body, { what: 'OrderReply' })
    if (reply.type === 'declined') return declined(reply.reasons)
    Bid.verify(chain.domain, reply.bid)
    const problems = checkBid(reply.bid.message, {
      order: order.message,
      id,
      offer,
      now: clock.now(),
    })
    if (problems.length > 0) {
      providers.record(offer.provider, 'failed')
      return declined(problems)
    }
    return { type: 'bid', offer, order: id, bid: reply.bid, latencyMs: clock.now() - askedAt }
  } catch (error) {
    return declined([{ code: codeOf(error), message: messageOf(error).slice(0, 1024) }])
  }
}

/** The reason when a provider has less at stake than we ask for. */
async function understaked(
  { chain, settings }: Context,
  provider: Hex.Address,
): Promise<Exchange.Reason | undefined> {
  const { minStakeMicroUsd } = settings
  if (minStakeMicroUsd === 0n) return undefined
  const { registered, stakeMicroUsd } = await chain.registration(provider)
  if (registered && stakeMicroUsd >= minStakeMicroUsd) return undefined
  return {
    code: 'Buyer.StakeTooSmall',
    message: `The provider has ${stakeMicroUsd} micro-USD at stake; ${minStakeMicroUsd} are wanted.`,
  }
}

/**
 * The reason when a provider's claims would be answered for with less than we ask for: of a claim's bond the
 * contract takes no more than there is. What was asked back may be gone before a dispute begins.
 */
async function unbonded(
  { chain, settings }: Context,
  provider: Hex.Address,
): Promise<Exchange.Reason | undefined> {
  const { minBondMicroUsd } = settings
  if (minBondMicroUsd === 0n) return undefined
  const { freeMicroUsd, withdrawingMicroUsd } = await chain.credit(provider)
  const left = freeMicroUsd > withdrawingMicroUsd ? freeMicroUsd - withdrawingMicroUsd : 0n
  if (left >= minBondMicroUsd) return undefined
  return {
    code: 'Buyer.CreditTooSmall',
    message: `The provider has ${left} micro-USD of credit for bonds; ${minBondMicroUsd} are wanted.`,
  }
}

/** Why a bid is not an answer to the order: it names other things, or more than was asked for. */
export function checkBid(
  bid: Bid.Bid,
  { order, id, offer, now }: { order: Order.Order; id: Hex.Hex; offer: Offer.Offer; now: number },
): readonly Exchange.Reason[] {
  const ceilings = {
    inputMicroUsdPerMillion: order.maxInputMicroUsdPerMillion,
    outputMicroUsdPerMillion: order.maxOutputMicroUsdPerMillion,
  }
  const checks: readonly (readonly [boolean, string, string])[] = [
    [bid.provider === offer.provider, 'Bid.ProviderDiffers', 'The bid is another provider’s.'],
    [bid.order === id, 'Bid.OrderDiffers', 'The bid answers another order.'],
    [bid.model === order.model, 'Bid.ModelDiffers', 'The bid is for another model.'],
    [
      order.weights === Hex.zero || bid.weights === order.weights,
      codes.weightsDiffer,
      `The order wants weights ${order.weights}; the bid has ${bid.weights}.`,
    ],
    [bid.tier === order.tier, 'Bid.TierDiffers', 'The bid is for another tier.'],
    [
      within(bid, ceilings),
      'Bid.PriceTooHigh',
      `The bid asks ${bid.inputMicroUsdPerMillion} and ${bid.outputMicroUsdPerMillion} micro-USD per ` +
        `million tokens; the ceilings are ${ceilings.inputMicroUsdPerMillion} and ${ceilings.outputMicroUsdPerMillion}.`,
    ],
    [bid.concurrency > 0, 'Bid.NoConcurrency', 'The bid allows no job at once; one is the least.'],
    [
      bid.expiresAt > now,
      'Bid.Expired',
      `The bid expired at ${bid.expiresAt} ms; it is ${now} ms.`,
    ],
  ]
  return checks.flatMap(([holds, code, message]) => (holds ? [] : [{ code, message }]))
}

function note({ timeline }: Context, answer: Answer): void {
  const { order, offer } = answer
  if (answer.type === 'bid')
    timeline.note({ subject: 'order', id: order, code: 'order-bid', detail: offer.provider })
  else
    timeline.note({
      subject: 'order',
      id: order,
      code: 'order-declined',
      detail: `${offer.provider}: ${answer.reasons.map(({ code }) => code).join(', ')}`,
    })
}
