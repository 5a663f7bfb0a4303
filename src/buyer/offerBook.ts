import type { Network } from '../network/Network.ts'
import * as Assurance from '../protocol/Assurance.ts'
import type * as Domain from '../protocol/Domain.ts'
import * as Exchange from '../protocol/Exchange.ts'
import type * as Hex from '../protocol/Hex.ts'
import * as Identity from '../protocol/Identity.ts'
import * as Offer from '../protocol/Offer.ts'
import type { Clock } from '../runtime/Clock.ts'
import type { AvailableModel } from './Buyer.ts'

/** The newest valid offer of each provider. */
export type OfferBook = AsyncDisposable & {
  /** Offers that have not expired. */
  current(): readonly Offer.Offer[]
  of(provider: Hex.Address): Offer.Offer | undefined
  models(): readonly AvailableModel[]
}

/**
 * Listens to offers. One is kept when it parses, is signed by the provider it names, whose peer id it
 * carries, has not expired, does not come from the future, and is newer than what the provider said
 * before. A provider has one place in the book, so no peer can fill it with more.
 */
export function openOfferBook(
  ports: openOfferBook.Ports,
  options: openOfferBook.Options = {},
): OfferBook {
  const { network, clock, domain, onOffer } = ports
  const { providersLimit = 1_000, clockSkewMs = 30_000, longestMs = 3_600_000 } = options
  const offers = new Map<Hex.Address, Offer.Offer>()

  const expire = () => {
    for (const [provider, { expiresAt }] of offers)
      if (expiresAt <= clock.now()) offers.delete(provider)
  }

  function hear(body: Uint8Array): void {
    const signed = Offer.deserialize(body)
    const { provider, peerId, issuedAt, expiresAt } = signed.message
    const known = offers.get(provider)
    if (known && issuedAt <= known.issuedAt) return
    const now = clock.now()
    if (expiresAt <= now || issuedAt > now + clockSkewMs || expiresAt > now + longestMs) return
    if (Identity.addressOf(peerId) !== provider || peerId === network.self) return
    const offer = Offer.verify(domain, signed)
    if (!known && offers.size >= providersLimit) {
      expire()
      if (offers.size >= providersLimit) return
    }
    offers.set(provider, offer)
    network.learn(peerId, offer.addresses.slice(0, 16))
    onOffer(offer)
  }

  const subscription = network.subscribe(Exchange.topics.offers, hear)
  return {
    current() {
      expire()
      return [...offers.values()]
    },
    of(provider) {
      expire()
      return offers.get(provider)
    },
    models() {
      expire()
      return availableModels([...offers.values()])
    },
    [Symbol.asyncDispose]: () => subscription[Symbol.asyncDispose](),
  }
}

export declare namespace openOfferBook {
  type Ports = {
    network: Network
    clock: Clock
    domain: Domain.Domain
    /** Called for every offer that is kept. */
    onOffer: (offer: Offer.Offer) => void
  }
  type Options = {
    /** Providers remembered at once. @default 1_000 */
    providersLimit?: number | undefined
    /** How far ahead of ours a provider's clock may run. @default 30_000 */
    clockSkewMs?: number | undefined
    /** An offer that wants to stand for longer is not believed. @default 3_600_000 */
    longestMs?: number | undefined
  }
}

/** One entry per model and weights, by name; the cheapest provider first in each. */
export function availableModels(offers: readonly Offer.Offer[]): readonly AvailableModel[] {
  const groups = Map.groupBy(
    offers.flatMap((offer) => offer.models.map((model) => ({ provider: offer.provider, model }))),
    ({ model }) => `${model.id}\n${model.weights}`,
  )
  return [...groups.values()]
    .map((entries) => {
      const cheapest = entries.toSorted((a, b) => cost(a.model) - cost(b.model))
      const { model } = cheapest[0]!
      const least = (price: (model: Offer.Model) => bigint) =>
        entries.map((entry) => price(entry.model)).reduce((a, b) => (b < a ? b : a))
      return {
        id: model.id,
        weights: model.weights,
        quantisation: model.quantisation,
        contextTokens: Math.max(...entries.map((entry) => entry.model.contextTokens)),
        tiers: Assurance.tiers.filter((tier) =>
          entries.some((entry) => entry.model.tiers.includes(tier)),
        ),
        providers: [...new Set(cheapest.map(({ provider }) => provider))],
        inputMicroUsdPerMillion: least((each) => each.inputMicroUsdPerMillion),
        outputMicroUsdPerMillion: least((each) => each.outputMicroUsdPerMillion),
      }
    })
    .toSorted((a, b) => (`${a.id}${a.weights}` < `${b.id}${b.weights}` ? -1 : 1))
}

function cost({ inputMicroUsdPerMillion, outputMicroUsdPerMillion }: Offer.Model): number {
  return Number(inputMicroUsdPerMillion + outputMicroUsdPerMillion)
}
