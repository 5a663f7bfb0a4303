import type { Connection, PeerId } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr'
import { topics } from '../protocol/Exchange.ts'
import type { Identity } from '../protocol/Identity.ts'
import type { Clock } from '../runtime/Clock.ts'
import { BaseError } from '../runtime/Errors.ts'
import type { Logger } from '../runtime/Logger.ts'
import { addressBook, isPeerId, isRelayed, peerOf } from './internal/addressBook.ts'
import { gossip } from './internal/gossip.ts'
import { keepConnected } from './internal/keepConnected.ts'
import { linePool, linesLimit, type TakeOptions } from './internal/linePool.ts'
import { startNode, type Node } from './internal/node.ts'
import { requests } from './internal/requests.ts'
import { serving } from './internal/serving.ts'
import * as Network from './Network.ts'

/**
 * Joins the network: libp2p over TCP, noise and yamux, gossipsub, and relays for who cannot be reached.
 *
 * @throws {ListenError} when an address cannot be listened on.
 * @throws {BootstrapError} when a bootstrap address does not say which peer is there.
 *
 * @example
 * ```ts
 * await using relay = await libp2pNetwork({ identity, bootstrap: [], relay: true, clock, logger })
 * await using peer = await libp2pNetwork({ identity, bootstrap: relay.addresses(), clock, logger })
 * ```
 */
export async function libp2pNetwork(options: libp2pNetwork.Options): Promise<Network.Network> {
  const { identity, clock, logger, relay = false, announce = [] } = options
  const { listen = ['/ip4/0.0.0.0/tcp/0'], colocated = listen.every(isLoopback) } = options
  const hubs = Object.groupBy(options.bootstrap.map(parseBootstrap), (address) => peerOf(address)!)
  const reservations = relay ? 0 : Math.min(Object.keys(hubs).length, 2)

  await using stack = new AsyncDisposableStack()
  const stopped = new AbortController()
  const node = await startNode(identity, { listen, announce, reservations, relay, colocated })
  stack.defer(async () => await node.stop())
  const book = addressBook()
  const pool = stack.use(linePool((peer, take) => connect(node, book.find(peer), peer, take)))
  const server = stack.use(serving({ logger }))
  const follow = relay ? Object.values(topics) : undefined
  const talk = gossip({ identity, clock, logger, pubsub: node.services.pubsub }, { follow })
  const loops = Object.entries(hubs)
    .filter(([peer]) => peer !== identity.peerId)
    .map(async ([, addresses = []]) =>
      keepConnected({ node, clock, logger }, addresses, { signal: stopped.signal }),
    )
  stack.defer(async () => void (await Promise.all(loops)))
  stack.defer(() => stopped.abort(new Network.UnreachableError({ peer: identity.peerId })))
  const owned = stack.move()

  return {
    self: identity.peerId,
    addresses: () => node.getMultiaddrs().map((address) => address.toString()),
    learn: (peer, addresses) => book.learn(peer, addresses),
    request: requests({ clock, pool, stopped: stopped.signal }),
    handle(protocol, handler) {
      if (server.handlers.has(protocol)) throw new Network.TakenError({ protocol })
      server.handlers.set(protocol, handler)
      void node.handle(
        protocol,
        (stream, { remotePeer }) => void server.serve(stream, protocol, remotePeer.toString()),
        { maxInboundStreams: 2 * linesLimit, runOnLimitedConnection: true },
      )
      return {
        async [Symbol.asyncDispose]() {
          if (server.handlers.get(protocol) !== handler) return
          server.handlers.delete(protocol)
          await node.unhandle(protocol)
        },
      }
    },
    publish: (topic, body) => talk.publish(topic, body),
    subscribe: (topic, listener) => talk.subscribe(topic, listener),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

export declare namespace libp2pNetwork {
  type Options = {
    identity: Identity
    clock: Clock
    logger: Logger
    /** Multiaddrs of nodes that are always there, each ending in `/p2p/PEER`. They are dialled for ever. */
    bootstrap: readonly string[]
    /** Multiaddrs to listen on. @default ['/ip4/0.0.0.0/tcp/0'] */
    listen?: readonly string[] | undefined
    /** Further multiaddrs that others can dial, for instance behind a forwarded port. */
    announce?: readonly string[] | undefined
    /** Be a bootstrap node: relay connections to those that cannot be dialled, and forward all gossip. @default false */
    relay?: boolean | undefined
    /** Whether many peers on one address are normal, as on a test network. @default when we listen on loopback alone */
    colocated?: boolean | undefined
  }
}

/** An open connection, a direct one if there is, or a new one. */
async function connect(
  node: Node,
  addresses: readonly Multiaddr[],
  peer: string,
  { signal, avoid }: TakeOptions,
) {
  if (!isPeerId(peer) || peer === node.peerId.toString())
    throw new Network.UnreachableError({ peer })
  const id = peerIdFromString(peer)
  const existing = node
    .getConnections(id)
    .filter((connection) => connection.status === 'open' && connection !== avoid)
    .toSorted((a, b) => Number(b.direct) - Number(a.direct))
  if (existing[0]) return { connection: existing[0], reused: true }
  try {
    const force = avoid?.status === 'open'
    return { connection: await dial(node, addresses, id, { signal, force }), reused: false }
  } catch (cause) {
    throw new Network.UnreachableError({ peer, cause })
  }
}

/** Dials directly, and through a relay when that takes long: who is behind NAT tells its useless addresses too. */
async function dial(
  node: Node,
  addresses: readonly Multiaddr[],
  peer: PeerId,
  options: { signal: AbortSignal; force: boolean },
): Promise<Connection> {
  const { signal } = options
  const relayed = addresses.filter(isRelayed)
  const direct = addresses.filter((address) => !isRelayed(address))
  if (relayed.length > 0 && direct.length > 0) {
    const quick = AbortSignal.any([signal, AbortSignal.timeout(directDialMs)])
    try {
      return await node.dial(direct, { ...options, signal: quick })
    } catch {
      signal.throwIfAborted()
      const connection = await node.dial(relayed, options)
      // Perhaps the peer was only slow to answer: a direct connection is preferred as soon as there is one.
      void node.dial(direct, { signal: AbortSignal.timeout(patientDialMs) }).catch(() => {})
      return connection
    }
  }
  return await node.dial(addresses.length > 0 ? [...addresses] : peer, options)
}

/** How long a direct dial may take when there is a relayed address too, and how long in the background. */
const directDialMs = 2500
const patientDialMs = 10_000

function parseBootstrap(address: string) {
  try {
    const parsed = multiaddr(address)
    if (peerOf(parsed)) return parsed
  } catch {
    // Said below.
  }
  throw new BootstrapError({ address })
}

function isLoopback(address: string): boolean {
  return /^\/(ip4\/127\.|ip6\/::1\/|memory\/)/.test(address)
}

/** Thrown when a bootstrap address cannot be used. */
export class BootstrapError extends BaseError {
  override readonly code = 'Network.BootstrapError'

  constructor({ address }: { address: string }) {
    super('The bootstrap address is not a multiaddr with a peer id.', {
      metaMessages: [
        `Address: ${address.slice(0, 256)}`,
        'Expected: for instance /ip4/192.0.2.1/tcp/4001/p2p/16Uiu2HA...',
      ],
    })
  }
}
