import * as z from 'zod/mini'
import { ask, type Network } from '../../network/Network.ts'
import type * as Domain from '../../protocol/Domain.ts'
import * as Hex from '../../protocol/Hex.ts'
import type { Identity } from '../../protocol/Identity.ts'
import * as Json from '../../protocol/Json.ts'
import * as Batch from '../../protocol/training/Batch.ts'
import * as Entry from '../../protocol/training/Entry.ts'
import { type Clock, every } from '../../runtime/Clock.ts'
import { codeOf, messageOf } from '../../runtime/Errors.ts'
import type { Logger } from '../../runtime/Logger.ts'
import type { Decision } from '../coordinator/State.ts'
import { waitMs } from '../log/candidates.ts'
import type { Log } from '../log/openLog.ts'

/** A node's part in keeping the log of a run: it hears, tells, catches up, and writes when it is its turn. */
export type LogSync = AsyncDisposable & {
  /** Tells the coordinator of an entry, ourselves if we are it; who has something to say says it again until it is in the log. */
  submit(entry: Entry.Entry): Promise<void>
  /** Whether the log's last batch is ours, so that we write the next one. */
  isCoordinator(): boolean
}

/** Where training is talked about. */
export const topic = 'weft/training/1'
export const protocol = '/weft/training/1'

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
  /** Entries that wait for a batch of ours, by their hash. */
  const waiting = new Map<Hex.Hex, Entry.Entry>()
  let beganAt = clock.now()
  let isCurrent = peers.length === 0
  const controller = new AbortController()
  const { signal } = controller
  let catchingUp = false

  const isCoordinator = () => {
    const [last] = log.from(log.head().sequence, 1)
    const author = last?.head.message.coordinator ?? log.order.buyer
    return author === identity.address
  }

  async function take(batches: readonly Batch.Batch[]): Promise<void> {
    const { decisions, undone } = await log.take(batches, clock.now())
    for (const batch of batches)
      for (const entry of batch.entries) waiting.delete(Entry.hash(domain, entry))
    if (undone > 0) logger.info({ run, undone }, 'Took a better branch of the log.')
    if (decisions.length > 0) await onDecisions?.(decisions)
  }

  async function write(term: number): Promise<void> {
    const { hash, sequence, now } = log.head()
    for (const [id, entry] of waiting)
      if (!isWelcome(entry) || !Entry.isSigned(domain, entry)) waiting.delete(id)
    const entries = fitting([...waiting.values()])
    const head = { run, term, sequence: sequence + 1, previous: hash }
    const at = Math.max(now, clock.now())
    const batch = Batch.sign(domain, { head: { ...head, now: at }, entries }, identity)
    await take([batch])
    await network.publish(topic, encode({ type: 'batch', batch }))
  }

  /** Strangers may only join; what others say would fill the log. */
  function isWelcome(entry: Entry.Entry): boolean {
    return entry.kind === 'join' || log.state().numbers.has(Entry.authorOf(entry))
  }

  /** Writes when there is something to say, or the time to tell; goes on when the coordinator is silent. */
  async function coordinate(): Promise<void> {
    if (!isCurrent || log.state().phase === 'ended' || clock.now() - beganAt < settleMs) return
    const { term, now, sequence } = log.head()
    const silentMs = clock.now() - now
    if (isCoordinator()) {
      if (waiting.size > 0 || silentMs >= idleMs) await write(term)
      return
    }
    if (sequence < 0) return
    const wait = waitMs(log.state(), term + 1, identity.address)
    if (wait === undefined || silentMs < wait || clock.now() - beganAt < wait) return
    logger.info({ run, term: term + 1 }, 'The coordinator is silent: going on in its place.')
    await write(term + 1)
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
    })
  }

  async function receive(batch: Batch.Batch, from: string): Promise<void> {
    const { previous } = batch.head.message
    if (previous === log.head().hash) await take([batch])
    else if (!catchingUp && mayCount(batch)) await catchUp(from)
  }

  /** Whether a branch that ends with this batch could be the better one. */
  function mayCount(batch: Batch.Batch): boolean {
    const { term, sequence } = batch.head.message
    const own = log.head()
    if (term !== own.term) return term > own.term
    return sequence > own.sequence || Batch.hash(domain, batch) < own.hash
  }

  function keep(entry: Entry.Entry): void {
    if (entry.signed.message.run !== run || waiting.size >= waitingLimit) return
    waiting.set(Entry.hash(domain, entry), entry)
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
    const all: Batch.Batch[] = []
    for (let page = 0; page < pageLimit; page++) {
      const request = Json.toBytes({ run, from: from + all.length } satisfies Request)
      const reply = await ask(network, peer, protocol, request, { signal, idleTimeoutMs: 3_000 })
      const { batches } = Json.decode(replySchema, reply, { what: 'batches of a run' })
      if (batches.length === 0) break
      all.push(...batches)
    }
    const [first] = all
    if (!first) return false
    const before = from === 0 ? run : hashAt(from - 1)
    if (first.head.message.previous !== before) return false
    await take(all)
    return true
  }

  function hashAt(sequence: number): Hex.Hex | undefined {
    const [batch] = log.from(sequence, 1)
    return batch && Batch.hash(domain, batch)
  }

  async function* serve(body: Uint8Array): AsyncGenerator<Uint8Array> {
    const request = Json.decode(requestSchema, body, { what: 'request for batches' })
    const batches = request.run === run ? log.from(request.from, 32) : []
    yield Json.toBytes({ batches: fittingBatches(batches) })
  }

  /** Tells where our log ends, so that a node that missed a message finds out. */
  async function tell(): Promise<void> {
    const { sequence } = log.head()
    const [batch] = log.from(Math.max(0, sequence), 1)
    if (batch) await network.publish(topic, encode({ type: 'batch', batch }))
  }

  await using stack = new AsyncDisposableStack()
  stack.use(network.handle(protocol, serve))
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
    identity: Identity
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

const waitingLimit = 4096
const keptLimit = 512
const pageLimit = 1024
const askedLimit = 16
/** How long a node listens that none of those it knows has answered. */
const aloneMs = 8_000
/** What a gossiped batch may take, less than the network's own limit. */
const batchBytes = 48 * 1024
const replyBytes = 2 * 1024 * 1024

const messageSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('entry'), entry: Entry.schema }),
  z.strictObject({ type: z.literal('batch'), batch: Batch.schema }),
])
type Message =
  | { readonly type: 'entry'; readonly entry: Entry.Entry }
  | { readonly type: 'batch'; readonly batch: Batch.Batch }
const requestSchema = z.strictObject({
  run: z.custom<Hex.Hex>((value) => typeof value === 'string' && /^0x[0-9a-f]{64}$/.test(value)),
  from: z.int().check(z.minimum(0)),
})
type Request = z.infer<typeof requestSchema>
const replySchema = z.strictObject({ batches: z.array(Batch.schema).check(z.maxLength(32)) })

function encode(message: Message): Uint8Array {
  return Json.toBytes(message)
}

/** As many entries, the first ones, as a batch may hold and gossip may carry. */
function fitting(entries: readonly Entry.Entry[]): readonly Entry.Entry[] {
  let bytes = 1024
  const end = entries.findIndex((entry) => (bytes += Json.toBytes(entry).byteLength) > batchBytes)
  return entries.slice(0, Math.min(end < 0 ? entries.length : end, Batch.limit))
}

function fittingBatches(batches: readonly Batch.Batch[]): readonly Batch.Batch[] {
  let bytes = 0
  const end = batches.findIndex(
    (batch) => (bytes += Batch.serialize(batch).byteLength) > replyBytes,
  )
  return end < 0 ? batches : batches.slice(0, Math.max(1, end))
}
