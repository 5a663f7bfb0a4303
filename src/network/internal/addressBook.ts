import { multiaddr, type Multiaddr } from '@multiformats/multiaddr'
import * as Identity from '../../protocol/Identity.ts'

/** Where peers can be dialled, as they said themselves: unproved, so bounded. */
export type AddressBook = {
  learn(peer: string, addresses: readonly string[]): void
  /** Dialable addresses, each with the peer id at its end. */
  find(peer: string): readonly Multiaddr[]
}

/** Addresses kept a peer, their length, and peers kept. */
const addressesLimit = 16
const lengthLimit = 256
const peersLimit = 4096

/** Creates an empty book; the peer heard of longest ago is forgotten first. */
export function addressBook(): AddressBook {
  const known = new Map<string, readonly string[]>()

  return {
    learn(peer, addresses) {
      if (!isPeerId(peer)) return
      known.delete(peer)
      known.set(
        peer,
        addresses.filter(({ length }) => length <= lengthLimit).slice(0, addressesLimit),
      )
      if (known.size > peersLimit) known.delete(known.keys().next().value!)
    },
    find(peer) {
      return (known.get(peer) ?? []).flatMap((address) => parse(address, peer) ?? [])
    },
  }
}

/** The address with its peer id at the end; undefined when it is none, or another peer's. */
export function parse(address: string, peer: string): Multiaddr | undefined {
  try {
    const parsed = multiaddr(address)
    const last = parsed.getComponents().at(-1)
    if (last?.name !== 'p2p') return parsed.encapsulate(`/p2p/${peer}`)
    return last.value === peer ? parsed : undefined
  } catch {
    return undefined
  }
}

/** The peer id at the end of an address, if there is one. */
export function peerOf(address: Multiaddr): string | undefined {
  const last = address.getComponents().at(-1)
  return last?.name === 'p2p' ? last.value : undefined
}

export function isPeerId(peer: string): boolean {
  try {
    Identity.addressOf(peer)
    return true
  } catch {
    return false
  }
}

export function isRelayed(address: Multiaddr): boolean {
  return address.getComponents().some(({ name }) => name === 'p2p-circuit')
}
