import { modelFor, screen } from '../market/index.ts'
import * as Bid from '../protocol/Bid.ts'
import type { OrderReply, Reason } from '../protocol/Exchange.ts'
import type * as Hex from '../protocol/Hex.ts'
import type * as Offer from '../protocol/Offer.ts'
import * as Order from '../protocol/Order.ts'
import type { Signed } from '../protocol/SignedMessage.ts'
import type { Context } from './Context.ts'
import { createOffer } from './createOffer.ts'
import { RefusedError } from './RefusedError.ts'

/** Bids that can still be accepted, with the orders they answer. */
export type BidBook = {
  add(id: Hex.Hex, entry: BidEntry): void
  find(id: Hex.Hex): BidEntry | undefined
}

export type BidEntry = { readonly bid: Signed<Bid.Bid>; readonly order: Signed<Order.Order> }

/** Creates a book of bids that keeps the newest `limit`. */
export function createBidBook({ limit = 4_096 } = {}): BidBook {
  const entries = new Map<Hex.Hex, BidEntry>()
  return {
    add(id, entry) {
      entries.set(id, entry)
      const [oldest] = entries.keys()
      if (entries.size > limit && oldest) entries.delete(oldest)
    },
    find: (id) => entries.get(id),
  }
}

/**
 * Answers an order with a signed bid, or with every reason against one.
 *
 * @throws {Json.MalformedError} | {SignatureError} | {RefusedError} when it is not the peer's own order.
 */
export async function answerOrder(
  context: Context,
  body: Uint8Array,
  buyer: Hex.Address,
): Promise<OrderReply> {
  const { chain, identity, bids, outbox, settings, clock } = context
  const signed = Order.deserialize(body)
  const order = Order.verify(chain.domain, signed)
  if (order.buyer !== buyer)
    throw new RefusedError('Provider.ForbiddenError', 'The order is another buyer’s.')
  const offer = createOffer(context)
  const reasons = [
    ...screen(order, offer, { nowMs: clock.now(), ...limits(settings) }),
    ...(await ownReasons(context, buyer)),
  ]
  const model = modelFor(order, offer)
  const id = Order.hash(chain.domain, order)
  if (reasons.length > 0 || !model) {
    const codes = reasons.map(({ code }) => code).join(', ')
    outbox.note({ subject: 'order', id, code: 'order-declined', detail: codes })
    return { type: 'declined', reasons: reasons.slice(0, 32) }
  }
  const bid = Bid.sign(chain.domain, createBid(context, { id, order, model }), identity)
  bids.add(Bid.hash(chain.domain, bid.message), { bid, order: signed })
  outbox.note({ subject: 'order', id, code: 'order-bid', detail: model.id })
  return { type: 'bid', bid }
}

const limits = ({ minBudgetMicroUsd, minDurationMs }: Context['settings']) => ({
  minBudgetMicroUsd,
  minDurationMs,
})

/** What only the provider knows against a bid. */
async function ownReasons(
  { book, journal, settings }: Context,
  buyer: Hex.Address,
): Promise<readonly Reason[]> {
  const { maxLeases, maxLeasesPerBuyer, creditMicroUsd } = settings
  const reasons: Reason[] = []
  if (book.size >= maxLeases)
    reasons.push({ code: 'Provider.BusyError', message: `All ${maxLeases} leases are taken.` })
  if (book.countOf(buyer) >= maxLeasesPerBuyer)
    reasons.push({
      code: 'Provider.BusyError',
      message: `You hold ${maxLeasesPerBuyer} leases here; close one first.`,
    })
  const debt = await journal.debtMicroUsd(buyer)
  if (debt > creditMicroUsd)
    reasons.push({
      code: 'Provider.DebtError',
      message: `Earlier leases of yours left ${debt} micro-USD of delivered work unpaid.`,
    })
  return reasons
}

function createBid(
  { identity, settings, clock }: Context,
  { id, order, model }: { id: Hex.Hex; order: Order.Order; model: Offer.Model },
): Bid.Bid {
  return {
    order: id,
    provider: identity.address,
    model: model.id,
    weights: model.weights,
    quantisation: model.quantisation,
    engine: model.engine,
    tier: order.tier,
    inputMicroUsdPerMillion: model.inputMicroUsdPerMillion,
    outputMicroUsdPerMillion: model.outputMicroUsdPerMillion,
    concurrency: Math.max(1, Math.min(order.concurrency, settings.concurrency)),
    creditMicroUsd: settings.creditMicroUsd,
    expiresAt: clock.now() + settings.bidLifetimeMs,
  }
}
