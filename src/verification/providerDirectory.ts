import type { Network } from '../network/Network.ts'
import type * as Domain from '../protocol/Domain.ts'
import * as Exchange from '../protocol/Exchange.ts'
import type * as Hex from '../protocol/Hex.ts'
import * as Identity from '../protocol/Identity.ts'
import * as Offer from '../protocol/Offer.ts'
import type { Clock } from '../runtime/Clock.ts'

/** Where providers can be asked, learned from their signed offers. */
export type ProviderDirectory = AsyncDisposable & {
  peerOf(provider: Hex.Address): string | undefined
}

/** Opens the directory. It keeps the `limit` providers heard last. */
export function openProviderDirectory(
  { network, clock, domain }: { network: Network; clock: Clock; domain: Domain.Domain },
  { limit = 10_000 } = {},
): ProviderDirectory {
  const peers = new Map<Hex.Address, { readonly peerId: string; readonly issuedAt: number }>()

  function hear(body: Uint8Array): void {
    const { provider, peerId, addresses, issuedAt, expiresAt } = Offer.verify(
      domain,
      Offer.deserialize(body),
    )
    const known = peers.get(provider)
    if (expiresAt <= clock.now() || (known && known.issuedAt >= issuedAt)) return
    if (Identity.addressOf(peerId) !== provider) return
    peers.delete(provider)
    peers.set(provider, { peerId, issuedAt })
    network.learn(peerId, addresses)
    const [oldest] = peers.keys()
    if (peers.size > limit && oldest) peers.delete(oldest)
  }

  const subscription = network.subscribe(Exchange.topics.offers, (body) => hear(body))
  return {
    peerOf: (provider) => peers.get(provider)?.peerId,
    [Symbol.asyncDispose]: () => subscription[Symbol.asyncDispose](),
  }
}
