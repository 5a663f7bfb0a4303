import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Source } from '../network/Bulk.ts'
import { httpsBulk } from '../network/https.ts'
import type { Network } from '../network/Network.ts'
import { topics } from '../protocol/Exchange.ts'
import type * as Hex from '../protocol/Hex.ts'
import * as Offer from '../protocol/Offer.ts'
import { BaseError } from '../runtime/Errors.ts'
import * as Home from './Home.ts'
import type { Party } from './joinNetwork.ts'

/**
 * Fetches a model by the hash of its weights from the providers that offer it, checked chunk by
 * chunk; an earlier copy is used again, an interrupted one resumed.
 *
 * @returns The path of the file.
 * @throws {NoSourceError} when nobody offers it within a minute.
 */
export async function fetchModel(
  party: Party,
  network: Network,
  options: { weights: Hex.Hex | undefined; directory: string },
): Promise<string> {
  const { weights, directory } = options
  if (weights === undefined) throw new NoModelError()
  Home.create(directory)
  const path = join(directory, `${weights.slice(2)}.gguf`)
  if (existsSync(path)) return path
  const { clock, logger } = party
  await using bulk = await httpsBulk({ clock, logger }, { directory, host: '127.0.0.1' })
  await bulk.fetch(weights, path, await findSources(party, network, weights))
  return path
}

/** Listens to offers until somebody has the weights. */
async function findSources(
  { clock, domain }: Party,
  network: Network,
  weights: Hex.Hex,
): Promise<readonly Source[]> {
  const sources = new Map<string, Source>()
  await using _ = network.subscribe(topics.offers, (body) => {
    const offer = Offer.verify(domain, Offer.deserialize(body))
    if (offer.bulkUrl === '' || !offer.models.some((model) => model.weights === weights)) return
    sources.set(offer.provider, { url: offer.bulkUrl, certificate: offer.bulkCertificate })
  })
  const until = clock.now() + waitLimitMs
  while (sources.size === 0 && clock.now() < until) await clock.sleep(100)
  if (sources.size === 0) throw new NoSourceError({ weights })
  return [...sources.values()]
}

const waitLimitMs = 60_000

/** Thrown when a command needs a model and was told neither a file nor a hash. */
export class NoModelError extends BaseError {
  override readonly code = 'Cli.NoModelError'

  constructor() {
    super('No model was named.', {
      metaMessages: [
        'Fix: pass --model FILE.gguf, or --weights SHA256 to fetch it from the network.',
      ],
    })
  }
}

/** Thrown when no provider shares the weights asked for. */
export class NoSourceError extends BaseError {
  override readonly code = 'Cli.NoSourceError'

  constructor({ weights }: { weights: Hex.Hex }) {
    super('Nobody on the network shares these weights.', {
      metaMessages: [
        `SHA-256: ${weights}`,
        'Fix: check the hash with `weft offers`, or pass the file with --model.',
      ],
    })
  }
}
