import type { Reason } from '../protocol/Exchange.ts'
import * as Hex from '../protocol/Hex.ts'
import type * as Offer from '../protocol/Offer.ts'
import type * as Order from '../protocol/Order.ts'

/**
 * Says why an offer would not serve an order: one reason for every dimension on which they do not meet,
 * and none at all when the provider would bid. Both sides run it: the buyer before it asks, to spare a
 * question; the provider when it is asked, to answer with all its reasons at once.
 *
 * @example
 * ```ts
 * const reasons = screen(order, offer, { nowMs: clock.now() })
 * if (reasons.length > 0) return { type: 'declined', reasons }
 * ```
 */
export function screen(
  order: Order.Order,
  offer: Offer.Offer,
  facts: screen.Facts,
): readonly Reason[] {
  const model = modelFor(order, offer)
  return [
    ...dates(order, offer, facts),
    ...(model ? workload(order, model) : [unknownModel(order, offer)]),
    ...resources(order, offer, facts),
  ]
}

export declare namespace screen {
  type Facts = {
    readonly nowMs: number
    /** How far ahead of ours another party's clock may run. @default 30_000 */
    readonly clockSkewMs?: number | undefined
    /** Places not taken by other leases. @default the offer's concurrency */
    readonly freeConcurrency?: number | undefined
    /** The longest lease the provider signs. @default 30 days */
    readonly maxDurationMs?: number | undefined
    /** The shortest lease worth a transaction. @default 60_000 */
    readonly minDurationMs?: number | undefined
    /** The smallest lease worth a transaction. @default 1n */
    readonly minBudgetMicroUsd?: bigint | undefined
    /** What the buyer's deposit has free; leave it out when it is not known. */
    readonly freeMicroUsd?: bigint | undefined
  }
}

/** Every code `screen` gives, one per dimension. */
export const codes = {
  orderExpired: 'Screen.OrderExpired',
  offerExpired: 'Screen.OfferExpired',
  clockSkew: 'Screen.ClockSkew',
  modelNotOffered: 'Screen.ModelNotOffered',
  weightsDiffer: 'Screen.WeightsDiffer',
  tierNotOffered: 'Screen.TierNotOffered',
  inputPriceTooHigh: 'Screen.InputPriceTooHigh',
  outputPriceTooHigh: 'Screen.OutputPriceTooHigh',
  concurrencyTooHigh: 'Screen.ConcurrencyTooHigh',
  noCapacity: 'Screen.NoCapacity',
  durationTooLong: 'Screen.DurationTooLong',
  durationTooShort: 'Screen.DurationTooShort',
  budgetTooSmall: 'Screen.BudgetTooSmall',
  budgetNotDeposited: 'Screen.BudgetNotDeposited',
} as const

/**
 * The entry of an offer that an order is about: among those with the wanted name, the one that fails on
 * the fewest dimensions, then the cheapest. Undefined when the name is not offered.
 */
export function modelFor(order: Order.Order, offer: Offer.Offer): Offer.Model | undefined {
  return offer.models
    .filter(({ id }) => id === order.model)
    .map((model) => ({ model, failures: workload(order, model).length }))
    .toSorted((a, b) => a.failures - b.failures || compare(sum(a.model), sum(b.model)))[0]?.model
}

const sum = (model: Offer.Model) => model.inputMicroUsdPerMillion + model.outputMicroUsdPerMillion
const compare = (a: bigint, b: bigint) => (a < b ? -1 : a > b ? 1 : 0)

function dates(order: Order.Order, offer: Offer.Offer, facts: screen.Facts): readonly Reason[] {
  const { nowMs, clockSkewMs = 30_000 } = facts
  const reasons: Reason[] = []
  if (order.expiresAt <= nowMs)
    reasons.push({
      code: codes.orderExpired,
      message: `The order expired at ${order.expiresAt} ms; it is ${nowMs} ms now.`,
    })
  if (offer.expiresAt <= nowMs)
    reasons.push({
      code: codes.offerExpired,
      message: `The offer expired at ${offer.expiresAt} ms; it is ${nowMs} ms now.`,
    })
  const ahead = Math.max(order.createdAt, offer.issuedAt) - nowMs
  if (ahead > clockSkewMs)
    reasons.push({
      code: codes.clockSkew,
      message: `The other side's clock is ${ahead} ms ahead; at most ${clockSkewMs} ms is accepted.`,
    })
  return reasons
}

function workload(order: Order.Order, model: Offer.Model): readonly Reason[] {
  const reasons: Reason[] = []
  if (order.weights !== Hex.zero && order.weights !== model.weights)
    reasons.push({
      code: codes.weightsDiffer,
      message: `The order wants weights ${order.weights}; the offer has ${model.weights}.`,
    })
  if (!model.tiers.includes(order.tier))
    reasons.push({
      code: codes.tierNotOffered,
      message: `The order wants tier ${order.tier.slice(0, 64)}; the offer has ${shortList(model.tiers)}.`,
    })
  if (model.inputMicroUsdPerMillion > order.maxInputMicroUsdPerMillion)
    reasons.push({
      code: codes.inputPriceTooHigh,
      message: overPrice('input', model.inputMicroUsdPerMillion, order.maxInputMicroUsdPerMillion),
    })
  if (model.outputMicroUsdPerMillion > order.maxOutputMicroUsdPerMillion)
    reasons.push({
      code: codes.outputPriceTooHigh,
      message: overPrice(
        'output',
        model.outputMicroUsdPerMillion,
        order.maxOutputMicroUsdPerMillion,
      ),
    })
  return reasons
}

function overPrice(what: string, ask: bigint, ceiling: bigint): string {
  return `The ask is ${ask} micro-USD per million ${what} tokens; the order's ceiling is ${ceiling}.`
}

function unknownModel(order: Order.Order, offer: Offer.Offer): Reason {
  return {
    code: codes.modelNotOffered,
    message: `The order wants model ${order.model.slice(0, 128)}; the offer has ${shortList(offer.models.map(({ id }) => id))}.`,
  }
}

function resources(order: Order.Order, offer: Offer.Offer, facts: screen.Facts): readonly Reason[] {
  const { freeConcurrency = offer.concurrency, minBudgetMicroUsd = 1n, freeMicroUsd } = facts
  const { maxDurationMs = 30 * 86_400_000, minDurationMs = 60_000 } = facts
  const reasons: Reason[] = []
  if (order.concurrency > offer.concurrency)
    reasons.push({
      code: codes.concurrencyTooHigh,
      message: `The order wants ${order.concurrency} jobs at once; the offer has ${offer.concurrency}.`,
    })
  else if (order.concurrency > freeConcurrency)
    reasons.push({
      code: codes.noCapacity,
      message: `The order wants ${order.concurrency} jobs at once; ${freeConcurrency} places are free.`,
    })
  if (order.durationMs > maxDurationMs)
    reasons.push({
      code: codes.durationTooLong,
      message: `The order wants ${order.durationMs} ms; the longest lease is ${maxDurationMs} ms.`,
    })
  if (order.durationMs < minDurationMs)
    reasons.push({
      code: codes.durationTooShort,
      message: `The order wants ${order.durationMs} ms; the shortest lease is ${minDurationMs} ms.`,
    })
  if (order.budgetMicroUsd < minBudgetMicroUsd)
    reasons.push({
      code: codes.budgetTooSmall,
      message: `The order's budget is ${order.budgetMicroUsd} micro-USD; the least is ${minBudgetMicroUsd}.`,
    })
  if (freeMicroUsd !== undefined && order.budgetMicroUsd > freeMicroUsd)
    reasons.push({
      code: codes.budgetNotDeposited,
      message: `The order's budget is ${order.budgetMicroUsd} micro-USD; the deposit has ${freeMicroUsd} free.`,
    })
  return reasons
}

/** Words from outside, cut so that a reason stays within what a reply may carry. */
function shortList(words: readonly string[]): string {
  return (
    words
      .slice(0, 8)
      .map((word) => word.slice(0, 64))
      .join(', ') || 'none'
  )
}
