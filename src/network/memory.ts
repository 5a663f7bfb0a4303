import type { Clock } from '../runtime/Clock.ts'
import type { Random } from '../runtime/Random.ts'
import { describe } from './internal/frames.ts'
import { inbox, type Inbox } from './internal/inbox.ts'
import { watchdog } from './internal/watchdog.ts'
import * as Network from './Network.ts'

/** A network inside one process, whose faults follow from the seed of `random` and the time of `clock`. */
export type MemoryNetwork = {
  /** Brings a peer to life. A peer that joins again has restarted: what its earlier life held breaks. */
  join(peer: string): Network.Network
  setFaults(faults: Faults): void
  /** Peers reach only peers of their own group; those that no group names are one more group. */
  partition(groups: readonly (readonly string[])[]): void
  /** Ends the partition. */
  heal(): void
  /** Kills a peer: no goodbye, its streams break, what it holds is useless until it joins again. */
  crash(peer: string): void
}

/** What goes wrong. Rates are chances in [0, 1]. */
export type Faults = {
  /** Range of the delay of every message. Streams stay in order. @default [0, 0] */
  readonly delayMs?: readonly [number, number] | undefined
  /** Chance that a gossiped message is lost, or that a stream falls silent at a message. @default 0 */
  readonly lossRate?: number | undefined
  /** Chance that a gossiped message arrives twice. @default 0 */
  readonly duplicationRate?: number | undefined
  /** Chance that a stream breaks at a message. @default 0 */
  readonly breakRate?: number | undefined
  /** Chance that a request is heard twice: its first connection breaks before the first reply. @default 0 */
  readonly repeatRate?: number | undefined
}

/** Creates a network without peers and without faults. */
export function memoryNetwork(ports: memoryNetwork.Ports): MemoryNetwork {
  const world: World = { ...ports, faults: ports.faults ?? {}, peers: new Map(), groups: undefined }
  const crash = (id: string) => {
    const peer = world.peers.get(id)
    world.peers.delete(id)
    if (peer) kill(world, peer)
  }

  return {
    join(id) {
      crash(id)
      const peer: Peer = {
        id,
        alive: true,
        handlers: new Map(),
        listeners: new Map(),
        streams: new Set(),
      }
      world.peers.set(id, peer)
      return endpoint(world, peer)
    },
    setFaults: (faults) => void (world.faults = faults),
    partition(groups) {
      world.groups = new Map(groups.flatMap((group, i) => group.map((id) => [id, i] as const)))
    },
    heal: () => void (world.groups = undefined),
    crash,
  }
}

export declare namespace memoryNetwork {
  type Ports = { clock: Clock; random: Random; faults?: Faults | undefined }
}

type World = {
  readonly clock: Clock
  readonly random: Random
  readonly peers: Map<string, Peer>
  faults: Faults
  groups: ReadonlyMap<string, number> | undefined
}

type Peer = {
  readonly id: string
  alive: boolean
  readonly handlers: Map<string, Network.Handler>
  readonly listeners: Map<string, Set<Network.Listener>>
  readonly streams: Set<Stream>
}

/** One request on its way. The handler's pump stops at `stop`, the caller reads `replies`. */
type Stream = {
  readonly caller: Peer
  readonly callee: Peer
  readonly replies: Inbox<Reply>
  readonly stop: AbortController
  state: 'open' | 'silent' | 'closed'
}

type Reply = { readonly type: 'message'; readonly body: Uint8Array } | { readonly type: 'end' }

/** How long a dial waits for a peer behind a partition, and how long a silent connection lives. */
const dialTimeoutMs = 5_000
const keepAliveMs = 15_000

/** How many messages of a stream are under way at most. */
const windowMessages = 64

function endpoint(world: World, peer: Peer): Network.Network {
  return {
    self: peer.id,
    addresses: () => [`/memory/${peer.id}`],
    learn() {},
    request: (to, protocol, body, options) => request(world, peer, to, protocol, body, options),
    handle(protocol, handler) {
      if (peer.handlers.has(protocol)) throw new Network.TakenError({ protocol })
      peer.handlers.set(protocol, handler)
      return {
        async [Symbol.asyncDispose]() {
          if (peer.handlers.get(protocol) === handler) peer.handlers.delete(protocol)
        },
      }
    },
    async publish(topic, body) {
      const limit = Network.gossipLimitBytes
      if (body.byteLength > limit)
        throw new Network.TooLargeError({ bytes: body.byteLength, limit })
      if (peer.alive) gossip(world, peer, topic, new Uint8Array(body))
    },
    subscribe(topic, listener) {
      const listeners = peer.listeners.get(topic) ?? new Set()
      peer.listeners.set(topic, listeners.add(listener))
      return { [Symbol.asyncDispose]: async () => void listeners.delete(listener) }
    },
    async [Symbol.asyncDispose]() {
      if (world.peers.get(peer.id) === peer) world.peers.delete(peer.id)
      kill(world, peer)
    },
  }
}

async function* request(
  world: World,
  caller: Peer,
  to: string,
  protocol: string,
  body: Uint8Array,
  { signal, idleTimeoutMs = 30_000 }: Network.RequestOptions = {},
): AsyncGenerator<Uint8Array> {
  signal?.throwIfAborted()
  const bytes = body.byteLength
  if (bytes > Network.limitBytes) throw new Network.TooLargeError({ bytes })
  const replies = inbox<Reply>()
  const abort = () => replies.fail(signal?.reason)
  signal?.addEventListener('abort', abort, { once: true })
  using silence = watchdog(world.clock, idleTimeoutMs, () =>
    replies.fail(new Network.TimeoutError({ peer: to, protocol, timeoutMs: idleTimeoutMs })),
  )
  silence.start()
  const opening = open(world, caller, to, protocol, new Uint8Array(body), replies)
  try {
    for (;;) {
      const reply = await replies.next()
      silence.rest()
      if (reply.type === 'end') return
      yield reply.body
      signal?.throwIfAborted()
      silence.start()
    }
  } finally {
    signal?.removeEventListener('abort', abort)
    opening.cancel()
  }
}

/** Dials, then lets the callee answer; `cancel` tells it that nobody listens any more. */
function open(
  world: World,
  caller: Peer,
  to: string,
  protocol: string,
  body: Uint8Array,
  replies: Inbox<Reply>,
): { cancel(): void } {
  let stream: Stream | undefined
  let cancelled = false
  const unreachable = () => new Network.UnreachableError({ peer: to })

  async function run(): Promise<void> {
    if (!caller.alive || to === caller.id) return replies.end(unreachable())
    await delay(world)
    if (!meets(world, caller.id, to)) await world.clock.sleep(dialTimeoutMs)
    const callee = world.peers.get(to)
    if (!callee || !caller.alive || !meets(world, caller.id, to)) return replies.end(unreachable())
    if (cancelled) return
    const handler = callee.handlers.get(protocol)
    if (!handler) return replies.end(new Network.NoHandlerError({ peer: to, protocol }))
    await maybeRepeat(world, caller, callee, handler, body)
    if (!callee.alive) return replies.end(unreachable())
    stream = connect(caller, callee, replies)
    if (cancelled) return sever(stream)
    if (!stumbles(world, stream)) await pump(world, stream, handler, body)
  }

  run().catch((error: unknown) => replies.end(error))
  return {
    cancel() {
      cancelled = true
      if (stream && stream.state !== 'closed') hangUp(world, stream)
    },
  }
}

function connect(caller: Peer, callee: Peer, replies: Inbox<Reply>): Stream {
  const stream: Stream = { caller, callee, replies, stop: new AbortController(), state: 'open' }
  caller.streams.add(stream)
  callee.streams.add(stream)
  return stream
}

/** Lets the callee hear the request on a stream that breaks before anybody reads a reply. */
async function maybeRepeat(
  world: World,
  caller: Peer,
  callee: Peer,
  handler: Network.Handler,
  body: Uint8Array,
): Promise<void> {
  const { repeatRate = 0 } = world.faults
  if (repeatRate === 0 || world.random.next() >= repeatRate) return
  const stream = connect(caller, callee, inbox<Reply>())
  void pump(world, stream, handler, body)
  await delay(world)
  sever(stream)
}

/** Runs the handler and carries its replies, in order and no faster than they are read. */
async function pump(
  world: World,
  stream: Stream,
  handler: Network.Handler,
  body: Uint8Array,
): Promise<void> {
  const { caller, callee, replies, stop } = stream
  const line = orderedLine(world)
  try {
    for await (const reply of handler(body, { from: caller.id, signal: stop.signal })) {
      if (stream.state === 'closed') return
      const bytes = reply.byteLength
      if (bytes > Network.limitBytes) throw new Network.TooLargeError({ bytes })
      const copy = new Uint8Array(reply)
      line.send(() => arrive(world, stream, () => replies.push({ type: 'message', body: copy })))
      await line.room()
      await replies.room()
      // Also ends the handler at its next reply when the callee has died.
      if (!callee.alive) return
    }
    // What was aborted is not complete, however quietly its handler ended.
    if (stop.signal.aborted) return
    line.send(() => finish(world, stream, () => replies.push({ type: 'end' })))
  } catch (error) {
    if (stop.signal.aborted) return
    const remote = new Network.RemoteError(describe(error))
    line.send(() => finish(world, stream, () => replies.end(remote)))
  }
}

function finish(world: World, stream: Stream, deliver: () => void): void {
  arrive(world, stream, deliver)
  if (stream.state === 'open') close(stream)
}

/** A message reaches the other side, or the stream breaks or falls silent at it. */
function arrive(world: World, stream: Stream, deliver: () => void): void {
  if (stream.state !== 'open' || stumbles(world, stream)) return
  deliver()
}

function stumbles(world: World, stream: Stream): boolean {
  const { lossRate = 0, breakRate = 0 } = world.faults
  if (breakRate > 0 && world.random.next() < breakRate) {
    sever(stream)
    return true
  }
  const lost = lossRate > 0 && world.random.next() < lossRate
  if (!lost && meets(world, stream.caller.id, stream.callee.id)) return false
  stream.state = 'silent'
  void world.clock.sleep(keepAliveMs).then(() => sever(stream))
  return true
}

/** The caller has stopped listening; the callee hears of it as far as messages pass. */
function hangUp(world: World, stream: Stream): void {
  if (stream.state === 'silent') return
  void delay(world).then(() => {
    if (meets(world, stream.caller.id, stream.callee.id)) return sever(stream)
    return world.clock.sleep(keepAliveMs).then(() => sever(stream))
  })
}

/** Both sides notice that the connection is gone. */
function sever(stream: Stream): void {
  if (stream.state === 'closed') return
  const cause = new Network.UnreachableError({ peer: stream.callee.id })
  close(stream)
  stream.replies.end(cause)
  stream.stop.abort(new Network.UnreachableError({ peer: stream.caller.id }))
}

function close(stream: Stream): void {
  stream.state = 'closed'
  stream.caller.streams.delete(stream)
  stream.callee.streams.delete(stream)
}

/** Each side of each stream notices after its own delay, the dead one at once. */
function kill(world: World, peer: Peer): void {
  peer.alive = false
  peer.handlers.clear()
  peer.listeners.clear()
  for (const stream of peer.streams) {
    const gone = new Network.UnreachableError({ peer: peer.id })
    if (stream.callee === peer) stream.stop.abort(gone)
    else stream.replies.fail(gone)
    hangUp(world, stream)
  }
}

function gossip(world: World, from: Peer, topic: string, body: Uint8Array): void {
  const { lossRate = 0, duplicationRate = 0 } = world.faults
  for (const id of world.peers.keys()) {
    if (id === from.id) continue
    const copies = duplicationRate > 0 && world.random.next() < duplicationRate ? 2 : 1
    for (let copy = 0; copy < copies; copy++) {
      if (lossRate > 0 && world.random.next() < lossRate) continue
      void delay(world).then(() => {
        const peer = world.peers.get(id)
        if (!peer || !meets(world, from.id, id)) return
        for (const listener of peer.listeners.get(topic) ?? []) tell(listener, body, from.id)
      })
    }
  }
}

/** A listener that throws loses this message only. */
function tell(listener: Network.Listener, body: Uint8Array, from: string): void {
  void (async () => listener(new Uint8Array(body), { from }))().catch(() => {})
}

function meets(world: World, a: string, b: string): boolean {
  return !world.groups || world.groups.get(a) === world.groups.get(b)
}

/** Waits as long as one message travels; without a delay, until the next microtask. */
async function delay(world: World): Promise<void> {
  const ms = delayMs(world)
  if (ms > 0) await world.clock.sleep(ms)
}

function delayMs(world: World): number {
  const [least, most] = world.faults.delayMs ?? [0, 0]
  return most > 0 ? Math.round(least + world.random.next() * (most - least)) : 0
}

/** Messages that overtake no other; a sender waits while too many are under way. */
function orderedLine(world: World): { send(arrive: () => void): void; room(): Promise<void> } {
  let last = Promise.resolve()
  let pending = 0
  return {
    send(arrive) {
      const due = world.clock.now() + delayMs(world)
      pending++
      last = last.then(async () => {
        const ms = due - world.clock.now()
        if (ms > 0) await world.clock.sleep(ms)
        pending--
        arrive()
      })
    },
    room: async () => void (pending >= windowMessages && (await last)),
  }
}
