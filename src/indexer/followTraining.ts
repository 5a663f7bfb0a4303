import * as z from 'zod/mini'
import type { Network } from '../network/Network.ts'
import type { Domain } from '../protocol/Domain.ts'
import type * as Hex from '../protocol/Hex.ts'
import * as Json from '../protocol/Json.ts'
import * as Batch from '../protocol/training/Batch.ts'
import { every, type Clock } from '../runtime/Clock.ts'
import { codeOf, messageOf } from '../runtime/Errors.ts'
import type { Logger } from '../runtime/Logger.ts'
import type { Store } from '../runtime/Store.ts'
import { type Log, openLog } from '../training/log/openLog.ts'
import { fetchBatches } from '../training/node/batchProtocol.ts'
import { fetchOrder } from '../training/node/orderProtocol.ts'
import { addressesOf, peersTopic } from '../training/node/startAcquaintance.ts'
import { topic } from '../training/node/startLogSync.ts'
import { allowances, guarded } from './allowances.ts'
import type { Change } from './Api.ts'
import type { Database } from './openDatabase.ts'
import { readTraining, writeTraining } from './tables/trainingTables.ts'
import { trainingView } from './trainingView.ts'

/**
 * Follows runs of training: whose batches are gossiped is asked for the order and the log, and what the log comes
 * to is folded as its workers fold it. Logs are kept in memory while they grow; views stay in the tables.
 */
export function followTraining(
  ports: followTraining.Ports,
  options: followTraining.Options,
): AsyncDisposable {
  const { clock, database, logger, network } = ports
  const { domain, messagesPerSecond, onChange, intervalMs = 500, runs = 16, views = 500 } = options
  const followed = new Map<Hex.Hex, Followed>()
  const controller = new AbortController()
  const { signal } = controller

  function hear(body: Uint8Array, from: string): void {
    const message = Json.decode(messageSchema, body, { what: 'training message' })
    if (message.type !== 'batch') return
    const { batch } = message
    const { run } = batch.head.message
    const known = followed.get(run)
    const one = known ?? { ...nothing, waiting: [], peer: from, heardAt: clock.now() }
    if (!known && !makeRoom()) return
    followed.set(run, one)
    one.heardAt = clock.now()
    // Who answered stays the one who is asked.
    if (one.log === undefined || one.failures > 0) one.peer = from
    if (one.waiting.length < waitingLimit) one.waiting.push(batch)
  }

  /** Forgets the log of which nothing was heard for longest, once there are as many as may be. */
  function makeRoom(): boolean {
    if (followed.size < runs) return true
    const idle = [...followed]
      .filter(([, { heardAt, work }]) => !work && clock.now() - heardAt > idleMs)
      .toSorted(([, a], [, b]) => a.heardAt - b.heardAt)
    const [oldest] = idle
    return oldest !== undefined && followed.delete(oldest[0])
  }

  async function advance(run: Hex.Hex, one: Followed): Promise<void> {
    const { peer } = one
    if (!one.log) {
      if (readTraining(database, run)?.run.phase === 'ended') return void (one.waiting.length = 0)
      const order = await fetchOrder({ network, domain }, { peer, run, signal })
      one.log = await openLog({ domain, store: memory }, { order })
    }
    const { log } = one
    const batches = one.waiting
      .splice(0)
      .filter(({ head }) => head.message.sequence > log.head().sequence)
    for (const batch of batches) {
      if (batch.head.message.previous === log.head().hash) await log.take([batch], clock.now())
      else await catchUp(log, { peer, run })
    }
    if (log.state().phase === 'ended') followed.delete(run)
    show(one, log)
  }

  /** Takes what is missing; all of it, if the log has branched. */
  async function catchUp(log: Log, about: { peer: string; run: Hex.Hex }): Promise<void> {
    const { sequence, hash } = log.head()
    for (const [from, previous] of [[sequence + 1, hash] as const, [0, log.run] as const]) {
      const batches = await fetchBatches({ network }, { ...about, from, previous, signal })
      if (batches.length > 0) return void (await log.take(batches, clock.now()))
    }
  }

  function show(one: Followed, log: Log): void {
    const startedAt = clock.now()
    onChange(writeTraining(database, trainingView(log), views))
    // A long log takes long to add up: it is done less often.
    one.nextAt = clock.now() + Math.min(60_000, 20 * (clock.now() - startedAt))
  }

  function look(): void {
    for (const [run, one] of followed) {
      if (one.work || one.waiting.length === 0 || clock.now() < one.nextAt) continue
      one.work = advance(run, one)
        .then(() => void (one.failures = 0))
        .catch((error: unknown) => {
          if (signal.aborted) return
          one.waiting.length = 0
          one.nextAt = clock.now() + Math.min(60_000, 1_000 * 2 ** one.failures++)
          logger.debug({ run, code: codeOf(error) }, messageOf(error))
        })
        .finally(() => void (one.work = undefined))
    }
  }

  const stack = new AsyncDisposableStack()
  const allowance = allowances(clock, messagesPerSecond)
  stack.use(network.subscribe(topic, guarded({ logger }, topic, allowance, hear)))
  const meet = (body: Uint8Array, from: string) => network.learn(from, addressesOf(body))
  stack.use(network.subscribe(peersTopic, guarded({ logger }, peersTopic, allowance, meet)))
  const onError = (error: unknown) => logger.error({ error }, 'Runs are looked at again later.')
  const ends = every(clock, intervalMs, look, { signal, onError })
  stack.defer(async () => {
    controller.abort(new DOMException('The indexer stops.', 'AbortError'))
    await ends
    await Promise.all(Array.from(followed.values(), ({ work }) => work ?? Promise.resolve()))
  })
  return stack
}

export declare namespace followTraining {
  type Ports = { network: Network; clock: Clock; logger: Logger; database: Database }
  type Options = {
    readonly domain: Domain
    readonly onChange: (changes: readonly Change[]) => void
    readonly messagesPerSecond: number
    /** @default 500 */
    readonly intervalMs?: number | undefined
    /** Runs that are followed at once. @default 16 */
    readonly runs?: number | undefined
    /** Runs that stay in the tables. @default 500 */
    readonly views?: number | undefined
  }
}

type Followed = {
  log: Log | undefined
  /** Who is asked for what is missing. */
  peer: string
  readonly waiting: Batch.Batch[]
  heardAt: number
  nextAt: number
  failures: number
  work: Promise<void> | undefined
}

const nothing = { log: undefined, nextAt: 0, failures: 0, work: undefined }
const waitingLimit = 64
/** A log of which nothing was heard for so long may be forgotten; it can be fetched again. */
const idleMs = 120_000
const messageSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('entry') }),
  z.object({ type: z.literal('batch'), batch: Batch.schema }),
])

/** The log itself is the memory. */
const memory: Store = {
  get: () => Promise.resolve(undefined),
  list: () => Promise.resolve([]),
  write: () => Promise.resolve(),
  [Symbol.asyncDispose]: () => Promise.resolve(),
}
