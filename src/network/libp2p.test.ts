import { generateKeyPair, privateKeyFromRaw } from '@libp2p/crypto/keys'
import type { Libp2p, PrivateKey, Stream } from '@libp2p/interface'
import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { describe, expect, test, vi } from 'vitest'
import * as Identity from '../protocol/Identity.ts'
import { silentLogger } from '../runtime/silentLogger.ts'
import { systemClock } from '../runtime/systemClock.ts'
import { networkCompliance, type World } from './compliance.ts'
import { encode } from './internal/frames.ts'
import { libp2pNetwork } from './libp2p.ts'
import { ask, limitBytes, type Network } from './Network.ts'

const clock = systemClock()
const loopback = ['/ip4/127.0.0.1/tcp/0']

networkCompliance('libp2pNetwork', createWorld)

describe('libp2pNetwork', () => {
  test('has the peer id of its identity', async () => {
    await using stack = new AsyncDisposableStack()
    const network = await start(stack, 1)

    expect(network.self).toBe(identityOf(1).peerId)
    expect(network.addresses()).toEqual([
      expect.stringMatching(/^\/ip4\/127.0.0.1\/tcp\/\d+\/p2p\//),
    ])
    expect(network.addresses()[0]).toContain(network.self)
  })

  test('says which address is in use, and which is none', async () => {
    await using stack = new AsyncDisposableStack()
    const network = await start(stack, 1)
    const listen = [network.addresses()[0]!.replace(/\/p2p\/.*/, '')]

    await expect(start(stack, 2, { listen })).rejects.toHaveProperty('code', 'Network.ListenError')
    await expect(start(stack, 2, { listen: ['nonsense'] })).rejects.toHaveProperty(
      'code',
      'Network.ListenError',
    )
    for (const address of ['nonsense', '/ip4/127.0.0.1/tcp/1'])
      await expect(start(stack, 2, { bootstrap: [address] })).rejects.toHaveProperty(
        'code',
        'Network.BootstrapError',
      )
  })

  test('serves through the relay who is known by a relayed address alone', async () => {
    await using stack = new AsyncDisposableStack()
    const relay = await start(stack, 1, { relay: true })
    const bootstrap = relay.addresses()
    const [a, b] = [await start(stack, 2, { bootstrap }), await start(stack, 3, { bootstrap })]
    b.handle('/bulk', async function* () {
      for (let i = 0; i < 64; i++) yield new Uint8Array(64 * 1024).fill(i)
    })
    await eventually(() => expect(b.addresses().filter(isRelayed)).toHaveLength(1))
    a.learn(b.self, b.addresses().filter(isRelayed))

    let bytes = 0
    for await (const reply of a.request(b.self, '/bulk', new Uint8Array()))
      bytes += reply.byteLength

    expect(bytes).toBe(4 * 1024 * 1024)
  })

  test('tries the relay when direct addresses lead nowhere', async () => {
    await using stack = new AsyncDisposableStack()
    const relay = await start(stack, 1, { relay: true })
    const bootstrap = relay.addresses()
    const [a, b] = [await start(stack, 2, { bootstrap }), await start(stack, 3, { bootstrap })]
    echo(b)
    await eventually(() => expect(b.addresses().filter(isRelayed)).toHaveLength(1))
    a.learn(b.self, ['/ip4/127.0.0.1/tcp/1', ...b.addresses().filter(isRelayed)])

    expect(await ask(a, b.self, '/echo', Uint8Array.of(1))).toEqual(Uint8Array.of(1))
  })

  test('finds a bootstrap node again that has restarted: gossip and reservation come back', async () => {
    await using stack = new AsyncDisposableStack()
    const first = await start(stack, 1, { relay: true })
    const bootstrap = first.addresses()
    const listen = [bootstrap[0]!.replace(/\/p2p\/.*/, '')]
    const [a, b] = [await start(stack, 2, { bootstrap }), await start(stack, 3, { bootstrap })]
    const heard: number[] = []
    b.subscribe('news', ([n]) => void heard.push(n!))
    await gossipUntilHeard(a, heard, 1)

    await first[Symbol.asyncDispose]()
    await eventually(() => expect(b.addresses().filter(isRelayed)).toEqual([]))
    await start(stack, 1, { relay: true, listen })
    await gossipUntilHeard(a, heard, 2)

    await eventually(() => expect(b.addresses().filter(isRelayed)).toHaveLength(1))
  })

  test('lets a relay hear topics itself', async () => {
    await using stack = new AsyncDisposableStack()
    const relay = await start(stack, 1, { relay: true })
    const a = await start(stack, 2, { bootstrap: relay.addresses() })
    const heard: number[] = []
    relay.subscribe('news', ([n]) => void heard.push(n!))

    await gossipUntilHeard(a, heard, 1)
  })

  test('answers 256 requests of a peer at once, and turns the others away', async () => {
    await using stack = new AsyncDisposableStack()
    const [a, b] = await pair(stack)
    let running = 0
    const stop = new AbortController()
    for (const protocol of ['/a', '/b', '/c'])
      b.handle(protocol, async function* (_, { signal }) {
        running++
        await clock.sleep(60_000, { signal }).catch(() => {})
        yield new Uint8Array()
      })
    const { signal } = stop
    const codes: unknown[] = []
    const answers = ['/a', '/b', '/c'].flatMap((protocol) =>
      Array.from({ length: 100 }, async () =>
        ask(a, b.self, protocol, new Uint8Array(), { signal }).catch(
          (error: { code?: string }) => void codes.push(error.code),
        ),
      ),
    )

    await eventually(() => expect([running, codes.length]).toEqual([256, 44]))
    expect(new Set(codes)).toEqual(new Set(['Network.BusyError']))
    stop.abort(new Error('enough'))
    await Promise.all(answers)
  })
})

describe('libp2pNetwork among hostile peers', () => {
  test('refuses peers whose key is no account', async () => {
    await using stack = new AsyncDisposableStack()
    const network = await start(stack, 1)
    const stranger = await rawNode(stack, await generateKeyPair('Ed25519'))
    const address = multiaddr(network.addresses()[0]!)

    await expect(
      stranger.dial(address).then(async (connection) => connection.newStream('/echo')),
    ).rejects.toThrowError()
  })

  test.each<readonly [string, readonly Uint8Array[]]>([
    ['garbage', [Buffer.from('GET / HTTP/1.1\r\n\r\n')]],
    ['a message of 4 GB', [Uint8Array.of(255, 255, 255, 255, 0)]],
    ['an end instead of a request', [encode('end')]],
    ['an error instead of a request', [encode('error', Buffer.from('{}'))]],
    ['zeros', [new Uint8Array(100_000)]],
  ])('breaks a stream that brings %s, and serves others', async (_, pieces) => {
    await using stack = new AsyncDisposableStack()
    const [a, b] = await pair(stack)
    echo(b)
    const attacker = await rawNode(stack, privateKeyFromRaw(identityOf(9).privateKey))
    const stream = await attacker.dialProtocol(multiaddr(b.addresses()[0]!), '/echo')
    const closed = closing(stream)

    for (const piece of pieces) if (stream.status === 'open') stream.send(piece)

    await closed
    expect(await ask(a, b.self, '/echo', Uint8Array.of(1))).toEqual(Uint8Array.of(1))
  })

  test('stays within bounds when a peer sends many halves of large messages', async () => {
    await using stack = new AsyncDisposableStack()
    const [a, b] = await pair(stack)
    echo(b)
    const attacker = await rawNode(stack, privateKeyFromRaw(identityOf(9).privateKey))
    const half = encode('message', new Uint8Array(limitBytes)).subarray(0, -1)
    let broken = 0
    for (let i = 0; i < 18; i++) {
      const stream = await attacker.dialProtocol(multiaddr(b.addresses()[0]!), '/echo')
      void closing(stream).then(() => broken++)
      stream.send(half)
    }

    await eventually(() => expect(broken).toBeGreaterThanOrEqual(1))
    expect(await ask(a, b.self, '/echo', Uint8Array.of(1))).toEqual(Uint8Array.of(1))
  })

  test.each<readonly [string, readonly Uint8Array[], string]>([
    ['garbage', [Buffer.from('HTTP/1.1 200 OK\r\n\r\n')], 'Network.UnreachableError'],
    ['an unreadable error', [encode('error', Buffer.from('{'))], 'Internal.UnknownError'],
    [
      'an error with a code of its own',
      [encode('error', Buffer.from('{"code":"Mine","message":"m"}'))],
      'Mine',
    ],
    ['no reply', [encode('end')], 'Network.NoReplyError'],
    ['nothing', [], 'Network.TimeoutError'],
  ])('reports a peer that answers with %s', async (_, pieces, code) => {
    await using stack = new AsyncDisposableStack()
    const a = await start(stack, 1)
    const liar = await rawNode(stack, privateKeyFromRaw(identityOf(9).privateKey))
    await liar.handle('/echo', (stream) => {
      stream.addEventListener('message', () => {
        for (const piece of pieces) stream.send(piece)
      })
    })
    const peer = liar.peerId.toString()
    a.learn(peer, liar.getMultiaddrs().map(String))

    // Who says something is waited for, however slow the machine is.
    const options = code === 'Network.TimeoutError' ? { idleTimeoutMs: 3000 } : {}
    await expect(ask(a, peer, '/echo', Uint8Array.of(1), options)).rejects.toHaveProperty(
      'code',
      code,
    )
  })

  test('does not take what was sent unasked for the answer to the next request', async () => {
    await using stack = new AsyncDisposableStack()
    const a = await start(stack, 1)
    const liar = await rawNode(stack, privateKeyFromRaw(identityOf(9).privateKey))
    let requests = 0
    await liar.handle('/echo', (stream) => {
      stream.addEventListener('message', () => {
        const answer = [encode('message', Uint8Array.of(++requests)), encode('end')]
        stream.send(Buffer.concat([...answer, encode('message', Uint8Array.of(99)), encode('end')]))
      })
    })
    const peer = liar.peerId.toString()
    a.learn(peer, liar.getMultiaddrs().map(String))

    for (let i = 1; i <= 3; i++) {
      const replies: Uint8Array[] = []
      for await (const reply of a.request(peer, '/echo', new Uint8Array())) replies.push(reply)
      expect(replies).toEqual([Uint8Array.of(i)])
    }
  })
})

async function createWorld(): Promise<World> {
  const stack = new AsyncDisposableStack()
  const relay = await start(stack, 100, { relay: true })
  const peers = new Map<number, Network>()
  const places = new Map<number, string>()

  return {
    async join(n) {
      const listen = places.has(n) ? [places.get(n)!] : loopback
      const peer = await start(stack, n, { listen, bootstrap: relay.addresses() })
      places.set(n, peer.addresses()[0]!.replace(/\/p2p\/.*/, ''))
      for (const other of peers.values()) {
        other.learn(peer.self, peer.addresses())
        peer.learn(other.self, other.addresses())
      }
      peers.set(n, peer)
      // One after the other: thirty that greet the relay at once are too much for a machine under load.
      peer.learn(relay.self, relay.addresses())
      await reach(peer, relay.self)
      return peer
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

/** Asks until there is an answer, be it that nobody answers such questions. */
async function reach(network: Network, peer: string): Promise<void> {
  const asked = () => ask(network, peer, '/nobody-answers-this', new Uint8Array())
  await vi.waitFor(() => expect(asked()).rejects.toHaveProperty('code', 'Network.NoHandlerError'), {
    timeout: 40_000,
    interval: 100,
  })
}

async function pair(stack: AsyncDisposableStack): Promise<readonly [Network, Network]> {
  const [a, b] = [await start(stack, 1), await start(stack, 2)]
  a.learn(b.self, b.addresses())
  return [a, b]
}

async function start(
  stack: AsyncDisposableStack,
  n: number,
  options: Partial<libp2pNetwork.Options> = {},
): Promise<Network> {
  const ports = { identity: identityOf(n), clock, logger: silentLogger() }
  const network = await libp2pNetwork({ ...ports, bootstrap: [], listen: loopback, ...options })
  stack.defer(() => network[Symbol.asyncDispose]())
  return network
}

/** libp2p without our rules. */
async function rawNode(stack: AsyncDisposableStack, privateKey: PrivateKey): Promise<Libp2p> {
  const node = await createLibp2p({
    privateKey,
    addresses: { listen: loopback },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify() },
  })
  stack.defer(async () => await node.stop())
  return node
}

function identityOf(n: number): Identity.Identity {
  return Identity.from(new Uint8Array(32).fill(n))
}

function echo(network: Network): void {
  network.handle('/echo', async function* (body) {
    yield body
  })
}

/** Waits for something that happens by itself. */
async function eventually(check: () => void): Promise<void> {
  await vi.waitFor(check, { timeout: 50_000, interval: 20 })
}

function isRelayed(address: string): boolean {
  return address.includes('/p2p-circuit')
}

async function closing(stream: Stream): Promise<void> {
  await new Promise<void>((resolve) => {
    stream.addEventListener('close', () => resolve(), { once: true })
  })
}

async function gossipUntilHeard(
  author: Network,
  heard: readonly number[],
  n: number,
): Promise<void> {
  await vi.waitFor(
    async () => {
      await author.publish('news', Uint8Array.of(n))
      expect(heard).toContain(n)
    },
    { timeout: 50_000, interval: 100 },
  )
}
