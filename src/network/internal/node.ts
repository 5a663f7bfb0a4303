import { circuitRelayServer, circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { privateKeyFromRaw } from '@libp2p/crypto/keys'
import { gossipsub, StrictNoSign, type GossipSub, type GossipsubOpts } from '@libp2p/gossipsub'
import { identify, type Identify } from '@libp2p/identify'
import type { Libp2p, PeerId } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { sha256 } from '@noble/hashes/sha2.js'
import { createLibp2p } from 'libp2p'
import type { Identity } from '../../protocol/Identity.ts'
import { BaseError, messageOf } from '../../runtime/Errors.ts'
import { gossipLimitBytes } from '../Network.ts'

export type Node = Libp2p<{ identify: Identify; pubsub: GossipSub }>

export type NodeOptions = {
  readonly listen: readonly string[]
  readonly announce: readonly string[]
  /** How many relays to reserve a slot at. */
  readonly reservations: number
  readonly relay: boolean
  readonly colocated: boolean
}

/** What a relay gives one relayed connection before it must be dialled anew; libp2p gives 128 KiB and 2 minutes. */
const relayedBytes = 64n * 1024n ** 3n
const relayedMs = 24 * 3600 * 1000
const reservationsLimit = 4096

/**
 * How long peers may take to tell each other what they speak. libp2p asks once a connection and gives up after five
 * seconds: who was too busy then would stay connected, and be told nothing and find no place at a relay.
 */
const greetingMs = 60_000

/**
 * Puts a libp2p node together and starts it.
 *
 * @throws {ListenError} when it cannot listen where it should.
 */
export async function startNode(identity: Identity, options: NodeOptions): Promise<Node> {
  const { listen, announce, reservations, relay, colocated } = options
  const circuits = Array.from({ length: reservations }, () => '/p2p-circuit')
  try {
    return await createLibp2p({
      privateKey: privateKeyFromRaw(identity.privateKey),
      nodeInfo: { name: 'weft', userAgent: 'weft' },
      addresses: { listen: [...listen, ...circuits], appendAnnounce: [...announce] },
      transports: [tcp(), circuitRelayTransport({ reservationCompletionTimeout: greetingMs })],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux(muxerOptions)],
      connectionGater: {
        denyInboundEncryptedConnection: isStranger,
        denyOutboundEncryptedConnection: isStranger,
      },
      connectionManager: {
        maxConnections: relay ? 4096 : 512,
        maxIncomingPendingConnections: 256,
        inboundConnectionThreshold: colocated ? 1000 : 50,
        addressDialTimeout: 6_000,
        maxPeerAddrsToDial: 16,
        inboundStreamProtocolNegotiationTimeout: greetingMs,
        outboundStreamProtocolNegotiationTimeout: greetingMs,
      },
      // A peer on a busy machine may be slow to answer a ping; its jobs must not be cut off for that.
      connectionMonitor: { pingTimeout: { minTimeout: 20_000, maxTimeout: 60_000 } },
      services: {
        identify: identify({ timeout: greetingMs }),
        pubsub: gossipsub(gossipOptions({ relay, colocated })),
        ...(relay ? { circuits: circuitRelayServer(relayOptions) } : {}),
      },
    })
  } catch (cause) {
    throw new ListenError({ listen, cause })
  }
}

const muxerOptions = {
  // Less than a stream buffers while it is paused: libp2p breaks a stream that buffers over 4 MiB.
  streamOptions: { maxStreamWindowSize: 2 * 1024 * 1024 },
  // Streams may arrive before we have finished greeting; libp2p breaks the connection at the eleventh.
  maxEarlyStreams: 256,
}

const relayOptions = {
  maxInboundHopStreams: 1024,
  maxOutboundStopStreams: 1024,
  reservations: {
    maxReservations: reservationsLimit,
    defaultDataLimit: relayedBytes,
    defaultDurationLimit: relayedMs,
  },
}

/** A relay is the hub of a star: it keeps everybody in its mesh, so that a message is two hops from anyone. */
function gossipOptions({ relay, colocated }: { relay: boolean; colocated: boolean }) {
  const hub: Partial<GossipsubOpts> = { D: 64, Dlo: 32, Dhi: 512, Dscore: 4, Dout: 0 }
  return {
    ...(relay ? hub : {}),
    allowPublishToZeroTopicPeers: true,
    ignoreDuplicatePublishError: true,
    // Authors sign what they say in `gossipEnvelope.ts`; libp2p's own signature is fifty times slower.
    globalSignaturePolicy: StrictNoSign,
    msgIdFn: ({ data }) => sha256(data),
    // Several messages may travel together.
    maxInboundDataLength: 16 * gossipLimitBytes,
    maxInboundStreams: 4,
    // The default punishes the eleventh peer on one address so hard that it hears nothing, silently.
    scoreParams: colocated ? { IPColocationFactorWeight: 0 } : {},
  } satisfies Partial<GossipsubOpts>
}

/** Our peers have secp256k1 keys, which are accounts; others have nothing to say here. */
function isStranger(peer: PeerId): boolean {
  return peer.type !== 'secp256k1'
}

/** Thrown when the node cannot start, mostly because a port is in use. */
export class ListenError extends BaseError {
  override readonly code = 'Network.ListenError'

  constructor({ listen, cause }: { listen: readonly string[]; cause: unknown }) {
    super('The network node could not start.', {
      cause,
      metaMessages: [
        `Listening on: ${listen.join(', ')}`,
        `Reason: ${messageOf(cause)}`,
        'Fix: choose a free port with --listen, or stop the program that uses it.',
      ],
    })
  }
}
