import type { Context } from './Context.ts'
import * as Hex from '../protocol/Hex.ts'
import type * as Offer from '../protocol/Offer.ts'

/** Describes what the provider sells now. */
export function createOffer(context: Context): Offer.Offer {
  const { identity, network, engine, bulk, clock, settings } = context
  const now = clock.now()
  return {
    provider: identity.address,
    peerId: identity.peerId,
    addresses: network.addresses().slice(0, 16),
    bulkUrl: bulk?.source.url ?? '',
    bulkCertificate: bulk?.source.certificate ?? Hex.zero,
    models: engine.models.slice(0, 64).map((model) => ({
      id: model.id,
      weights: model.weights,
      quantisation: model.quantisation,
      engine: model.build,
      contextTokens: model.contextTokens,
      tiers: [...model.tiers],
      ...pick(settings.prices(model)),
    })),
    hardware: settings.hardware,
    region: settings.region,
    concurrency: settings.concurrency,
    watts: settings.watts,
    issuedAt: now,
    expiresAt: now + 4 * settings.offerIntervalMs,
  }
}

const pick = ({
  inputMicroUsdPerMillion,
  outputMicroUsdPerMillion,
}: Pick<Offer.Model, 'inputMicroUsdPerMillion' | 'outputMicroUsdPerMillion'>) => ({
  inputMicroUsdPerMillion,
  outputMicroUsdPerMillion,
})
