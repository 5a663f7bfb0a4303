import * as z from 'zod/mini'
import type { Network } from '../../network/Network.ts'
import type * as Domain from '../../protocol/Domain.ts'
import * as Hex from '../../protocol/Hex.ts'
import * as Identity from '../../protocol/Identity.ts'
import * as Json from '../../protocol/Json.ts'
import * as Batch from '../../protocol/training/Batch.ts'
import * as Entry from '../../protocol/training/Entry.ts'
import { type Clock, every } from '../../runtime/Clock.ts'
import { codeOf, messageOf } from '../../runtime/Errors.ts'
import type { Logger } from '../../runtime/Logger.ts'
import type { Decision } from '../coordinator/State.ts'
import { admission } from '../coordinator/admitEntry.ts'
import { waitMs } from '../log/candidates.ts'
import { BranchError, ClockError, clockSkewMs, type Log } from '../log/openLog.ts'
import { fetchBatches, fetchPage, serveBatches } from './batchProtocol.ts'

/** A node's part in keeping the log of a run: it hears, tells, catches up, and writes when it is its turn. */
export type LogSync = AsyncDisposable & {
  /** Tells the coordinator of an entry, ourselves if we are it; who has something to say says it again until it is in the log. */
  submit(entry: Entry.Entry): Promise<void>
  /** Whether the log's last batch is ours, so that we write the next one. */
  isCoordinator(): boolean
  /**
   * Asks the workers of the run for their logs, and takes a better branch when one has it.
   *
   * @returns whether half of the others have said that they have just the log that we have, and nobody who
   *   answers now has another one.
   */
  agree(): Promise<boolean>
}

/** Where training is talked about. */
export const topic = 'weft/training/1'

/**
 * Starts to keep a log in step with other nodes: batches and entries are gossiped; who misses batches asks
 * for them; when the coordinator falls silent the next candidate goes on.
 */
export async function startLogSync(
  ports: startLogSync.Ports,
  options: startLogSync.Options = {},
): Promise<LogSync> {
  const { log, network, identity, clock, domain, logger } = ports
  const { intervalMs = 250, idleMs = 1_000, settleMs = 2_000, peers = [], onDecisions } = options
  const { run } = log
  /** Entries that wait for a batch of ours, by their signatures. */
  const waiting = new Map<string, Entry.Entry>()
  let beganAt = clock.now()
  /** When the log last grew, by our clock: others' clocks say little about how long they have been silent. */
  let grewAt = beganAt
  /** How far our clock is ahead of the coordinator's, as its last message showed, and when that was. */
  let ahead = { ms: 0, at: beganAt }
  let complainedAt = -Infinity
  /** When a peer was last found to have a branch that counts less. */
  const weighedAt = new Map<string, number>()
  let isCurrent = peers.length === 0
  const controller = new AbortController()
  const { signal } = controller
  /** Who has just the log that we have, while it is this one. */
  let agreed = { hash: run, peers: new Set<string>() }
  let catchingUp = false

  const isCoordinator = () => {
    const [last] = log.from(log.head().sequence, 1)
    const author = last?.head.message.coordinator ?? log.order.buyer
    return author === identity.address
  }

  async function take(batches: readonly Batch.Batch[]): Promise<void> {
    const { hash } = log.head()
    const { decisions, undone } = await log.take(batches, clock.now())
    if (log.head().hash !== hash) grewAt = clock.now()
    for (const batch of batches)
      for (const { signed } of batch.entries) waiting.delete(signed.signature)
    if (undone > 0) logger.info({ run, undone }, 'Took a better branch of the log.')
    if (decisions.length > 0) await onDecisions?.(decisions)
  }

  async function write(term: number, entries: readonly Entry.Entry[]): Promise<void> {
    const { hash, sequence, now, term: before } = log.head()
    const head = { run, term, sequence: sequence + 1, previous: hash }
    const wait = term === before ? 0 : (waitMs(log.state(), term, identity.address) ?? 0)
    // Time goes on in the log as it does here, however far behind our clock may be.
    const passed = now === 0 ? 0 : now + Math.max(wait, clock.now() - grewAt)
    const at = Math.max(passed, clock.now())
    const batch = Batch.sign(domain, { head: { ...head, now: at }, entries }, identity)
    await take([batch])
    await network.publish(topic, encode({ type: 'batch', batch }))
  }

  /**
   * The next entries for a batch, as many as it may hold and gossip may carry. What nobody signed or has no effect
   * now is forgotten; whoever still means it says it again.
   */
  function nextEntries(): readonly Entry.Entry[] {
    const entries: Entry.Entry[] = []
    const isAdmitted = admission(log.state())
    let bytes = 1024
    for (const [key, entry] of waiting) {
      bytes += Json.toBytes(entry).byteLength
      if (bytes > batchBytes || entries.length === Batch.limit) break
      if (isWelcome(entry) && Entry.isSigned(domain, entry) && isAdmitted(entry))
        entries.push(entry)
      else waiting.delete(key)
    }
    return entries
  }

  /** Strangers may only join; what others say would fill the log. */
  function isWelcome(entry: Entry.Entry): boolean {
    return entry.kind === 'join' || log.state().numbers.has(Entry.authorOf(entry))
  }

  /** Writes when there is something to say, or the time to tell; goes on when the coordinator is silent. */
  async function coordinate(): Promise<void> {
    if (!isCurrent || log.state().phase === 'ended' || clock.now() - beganAt < settleMs) return
    const { term, sequence } = log.head()
    const silentMs = clock.now() - grewAt
    if (isCoordinator()) {
      for (let written = 0; written < burst; written++) {
        const entries = nextEntries()
        if (entries.length === 0 && (written > 0 || silentMs < idleMs)) return
        await write(term, entries)
      }
      return
    }
    // Nobody would take what we write.
    const isAhead = ahead.ms > clockSkewMs && clock.now() - ahead.at < complainMs
    if (sequence < 0 || isAhead) return
    const wait = waitMs(log.state(), term + 1, identity.address)
    if (wait === undefined || silentMs < wait || clock.now() - beganAt < wait) return
    logger.info({ run, term: term + 1 }, 'The coordinator is silent: going on in its place.')
    await write(term + 1, nextEntries())
  }

  function hear(body: Uint8Array, { from }: { from: string }): void {
    let message: z.infer<typeof messageSchema>
    try {
      message = Json.decode(messageSchema, body, { what: 'training message' })
    } catch {
      return
    }
    if (message.type === 'entry') return keep(message.entry)
    if (message.batch.head.message.run !== run) return
    void receive(message.batch, from).catch((error: unknown) => {
      if (signal.aborted) return
      logger.debug({ run, from, code: codeOf(error), reason: messageOf(error) }, 'Not taken.')
      if (error instanceof ClockError) complain(messageOf(error))
      if (error instanceof BranchError) weighedAt.set(from, clock.now())
      if (weighedAt.size > askedLimit) weighedAt.delete(weighedAt.keys().next().value!)
    })
  }

  async function receive(batch: Batch.Batch, from: string): Promise<void> {
    const { previous, sequence, coordinator, now } = batch.head.message
    if (previous === log.head().hash) {
      await take([batch])
      if (Identity.addressOf(from) === coordinator) compareClocks(now)
      return
    }
    const isKnown = hashAt(sequence) === Batch.hash(domain, batch)
    const isWeighed = clock.now() - (weighedAt.get(from) ?? -Infinity) < weighAgainMs
    if (!isKnown && !isWeighed && !catchingUp) await catchUp(from)
  }

  function compareClocks(now: number): void {
    ahead = { ms: clock.now() - now, at: clock.now() }
    if (ahead.ms <= clockSkewMs) return
    const seconds = Math.round(ahead.ms / 1000)
    complain(`This machine's clock is ${seconds} seconds ahead of the run's coordinator.`)
  }

  function complain(reason: string): void {
    if (clock.now() - complainedAt < complainMs) return
    complainedAt = clock.now()
    const facts = { run, code: 'Training.ClockError', reason }
    logger.error(facts, 'Clocks differ by more than the run allows: set them, for instance by NTP.')
  }

  function keep(entry: Entry.Entry): void {
    if (entry.signed.message.run !== run || waiting.size >= waitingLimit) return
    waiting.set(entry.signed.signature, entry)
    const [oldest] = waiting.keys()
    // Only a coordinator empties this: others keep the latest, should they become it.
    if (waiting.size > keptLimit && !isCoordinator() && oldest) waiting.delete(oldest)
  }

  /**
   * Asks others for their log before we write in ours: while we were gone they may have gone on, and two
   * coordinators would both be told what the workers do.
   */
  async function becomeCurrent(): Promise<void> {
    let answered = 0
    for (const peer of peers.slice(0, askedLimit)) {
      if (catchingUp) break
      await catchUp(peer).then(
        () => answered++,
        (error: unknown) => {
          signal.throwIfAborted()
          logger.debug({ run, peer, code: codeOf(error) }, 'Its log is not to be had.')
        },
      )
    }
    if (answered === 0) await clock.sleep(aloneMs, { signal })
    beganAt = clock.now()
    isCurrent = true
  }

  /** Asks a peer for what we miss, further back each time until its batches join ours. */
  async function catchUp(peer: string): Promise<void> {
    catchingUp = true
    try {
      for (let back = 1; ; back *= 8) {
        const from = Math.max(0, log.head().sequence + 1 - back)
        if ((await fetchFrom(peer, from)) || from === 0) return
      }
    } finally {
      catchingUp = false
    }
  }

  async function fetchFrom(peer: string, from: number): Promise<boolean> {
    const previous = from === 0 ? run : hashAt(from - 1)
    const batches = await fetchBatches(ports, { peer, run, from, previous, signal })
    if (batches.length === 0) return false
    await take(batches)
    return true
  }

  function hashAt(sequence: number): Hex.Hex | undefined {
    const [batch] = log.from(sequence, 1)
    return batch && Batch.hash(domain, batch)
  }

  async function agree(): Promise<boolean> {
    const { hash, sequence } = log.head()
    if (agreed.hash !== hash) agreed = { hash, peers: new Set() }
    const members = log.state().workers.filter(({ standing }) => standing !== 'convicted')
    const others = members.map(({ peer }) => peer).filter((peer) => peer !== network.self)
    const asked = others.slice(-confirmLimit)
    const differing = await Promise.all(
      asked.map(async (peer) => {
        const place = { peer, run, from: Math.max(0, sequence), signal }
        const batches = await fetchPage(ports, place).catch(() => undefined)
        if (!batches) return false
        const [batch] = batches
        const isSame = batches.length === 1 && Batch.hash(domain, batch!) === hash
        if (isSame) agreed.peers.add(peer)
        else await catchUp(peer).catch(() => {})
        return !isSame
      }),
    )
    const isConfirmed = agreed.peers.size * 2 >= asked.length
    return isConfirmed && !differing.includes(true) && log.head().hash === hash
  }

  /** Tells where our log ends, so that a node that missed a message finds out. */
  async function tell(): Promise<void> {
    const { sequence } = log.head()
    const [batch] = log.from(Math.max(0, sequence), 1)
    if (batch) await network.publish(topic, encode({ type: 'batch', batch }))
  }

  await using stack = new AsyncDisposableStack()
  stack.use(serveBatches(ports, log))
  stack.use(network.subscribe(topic, hear))
  const loop = (name: string, ms: number, task: () => Promise<void>) => {
    const onError = (error: unknown) =>
      logger.warn(
        { run, loop: name, code: codeOf(error), reason: messageOf(error) },
        'Again later.',
      )
    const ends = every(clock, ms, task, { signal, onError })
    stack.defer(() => ends)
  }
  if (!isCurrent) {
    const current = becomeCurrent().catch(() => {})
    stack.defer(() => current)
  }
  loop('coordinate', intervalMs, coordinate)
  loop('tell', 5_000, tell)
  stack.defer(() => controller.abort(new DOMException('The node stops.', 'AbortError')))
  const owned = stack.move()
  return {
    isCoordinator,
    agree,
    async submit(entry) {
      keep(entry)
      await network.publish(topic, encode({ type: 'entry', entry }))
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

export declare namespace startLogSync {
  type Ports = {
    log: Log
    network: Network
    identity: Identity.Identity
    clock: Clock
    domain: Domain.Domain
    logger: Logger
  }
  type Options = {
    /** How often a coordinator looks whether there is something to write. @default 250 */
    intervalMs?: number | undefined
    /** How long a coordinator may be silent when nothing happens. @default 1_000 */
    idleMs?: number | undefined
    /** How long a node listens before it writes, in case others went on without it. @default 2_000 */
    settleMs?: number | undefined
    /** Who is asked for the log before we write in it. @default [] */
    peers?: readonly string[] | undefined
    onDecisions?: ((decisions: readonly Decision[]) => void | Promise<void>) | undefined
  }
}

/** How long a branch that counts less is not looked at again. */
const weighAgainMs = 3_000
const complainMs = 60_000
const waitingLimit = 16_384
/** How many batches are written at once, when there is much to say. */
const burst = 32
const keptLimit = 512
const askedLimit = 16
/** How many others are asked whether they have come to the same end. */
const confirmLimit = 64
/** How long a node listens that none of those it knows has answered. */
const aloneMs = 8_000
/** What a gossiped batch may take, less than the network's own limit. */
const batchBytes = 48 * 1024

const messageSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('entry'), entry: Entry.schema }),
  z.strictObject({ type: z.literal('batch'), batch: Batch.schema }),
])
type Message =
  | { readonly type: 'entry'; readonly entry: Entry.Entry }
  | { readonly type: 'batch'; readonly batch: Batch.Batch }

function encode(message: Message): Uint8Array {
  return Json.toBytes(message)
}
