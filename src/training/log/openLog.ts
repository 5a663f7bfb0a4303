import type * as Domain from '../../protocol/Domain.ts'
import * as Hex from '../../protocol/Hex.ts'
import * as Batch from '../../protocol/training/Batch.ts'
import * as Entry from '../../protocol/training/Entry.ts'
import * as TrainingOrder from '../../protocol/training/TrainingOrder.ts'
import type { Signed } from '../../protocol/SignedMessage.ts'
import { BaseError } from '../../runtime/Errors.ts'
import type { Store } from '../../runtime/Store.ts'
import { type Decision, initial, type Policy, type State } from '../coordinator/State.ts'
import { tick } from '../coordinator/tick.ts'
import { waitMs } from './candidates.ts'
import { isBetter, type Link } from './isBetter.ts'

/** The log of a run as one node has it: on disk, folded, and open to a better branch. */
export type Log = {
  readonly run: Hex.Hex
  readonly order: TrainingOrder.TrainingOrder
  readonly state: () => State
  readonly head: () => Head
  /** All that was decided so far, in order. */
  readonly decisions: () => readonly Decision[]
  /** Every batch, in order, with what it decided. */
  readonly history: () => readonly Pick<Link, 'batch' | 'decisions'>[]
  /** Batches from a sequence number on, at most `limit`. */
  readonly from: (sequence: number, limit?: number) => readonly Batch.Batch[]
  /**
   * Takes batches in order, each following one that the log has. Where they leave the log's own branch, the
   * better branch counts from then on.
   *
   * @returns what the batches decided, and how many of our own were given up for them.
   * @throws {LogError} when a batch does not follow, or is not its coordinator's to write.
   * @throws {BranchError} when they are of a branch that counts less than ours.
   * @throws {ClockError} when a batch is from the future, as our clock has it.
   */
  readonly take: (batches: readonly Batch.Batch[], nowMs: number) => Promise<Taken>
}

export type Head = {
  readonly hash: Hex.Hex
  /** Of the last batch; -1 before the first. */
  readonly sequence: number
  readonly term: number
  /** When the last batch was written; 0 before the first. */
  readonly now: number
}

export type Taken = {
  readonly decisions: readonly Decision[]
  /** How many batches of our own branch were given up. */
  readonly undone: number
}

/** How far a batch's time may be ahead of our own clock. */
export const clockSkewMs = 30_000

/**
 * Opens the log of an order, from the store if it has one.
 *
 * @throws {SignatureError} when the buyer did not sign the order.
 * @throws {LogError} when the order has rules that this program does not know.
 */
export async function openLog(
  { domain, store }: openLog.Ports,
  { order, policy }: openLog.Options,
): Promise<Log> {
  const message = TrainingOrder.verify(domain, order)
  const problem = TrainingOrder.problemOf(message)
  if (problem) throw new LogError(`The order cannot be worked on: ${problem}. Fix: update weft.`)
  const run = TrainingOrder.hash(domain, message)
  const table = `training/${run}`
  const links: Link[] = []
  const start = initial(run, message, policy)
  const last = () => stateAfter(links.length)
  let decided: Decision[] = []
  const headAt = (count: number): Head => {
    const link = links[count - 1]
    if (!link) return { hash: run, sequence: -1, term: 0, now: 0 }
    const { sequence, term, now } = link.batch.head.message
    return { hash: link.hash, sequence, term, now }
  }

  /** One after the other: a write to the store takes its time. */
  let turn: Promise<unknown> = Promise.resolve()

  for (let after: string | undefined; ;) {
    const page = await store.list(table, { after })
    for (const { value } of page) push(follow(Batch.deserialize(utf8.encode(value))))
    after = page.at(-1)?.key
    if (page.length === 0) break
  }
  decided = decisionsOf(links)

  function follow(batch: Batch.Batch, at = links.length): Link {
    const hash = Batch.hash(domain, batch)
    const inbox = batch.entries.filter((entry) => Entry.isSigned(domain, entry))
    const { now } = batch.head.message
    const { state, outbox } = tick(stateAfter(at), { now, seed: hash, inbox })
    return { batch, hash, inbox, state, decisions: outbox }
  }

  /** The state after so many batches, folded again from the last one kept before where it is not at hand. */
  function stateAfter(count: number): State {
    let from = count
    while (from > 0 && !links[from - 1]!.state) from--
    let state = links[from - 1]?.state ?? start
    for (const { batch, hash, inbox } of links.slice(from, count))
      state = tick(state, { now: batch.head.message.now, seed: hash, inbox }).state
    return state
  }

  /** Adds a link, and lets go of the state of an older one. */
  function push(link: Link): void {
    links.push(link)
    const old = links.length - 1 - keptStates
    if (old >= 0 && old % keptStates !== 0) links[old] = { ...links[old]!, state: undefined }
  }

  /** Says why a batch may not follow; undefined when it may. */
  function problemOf(batch: Batch.Batch, at: number, nowMs: number): string | undefined {
    const { message } = batch.head
    const before = headAt(at)
    if (!Batch.verify(domain, batch)) return 'its entries are not those that were signed'
    if (message.run !== run || message.previous !== before.hash || message.sequence !== at)
      return 'it does not follow'
    if (message.now < before.now) return 'its time is before that of the last'
    if (message.now > nowMs + clockSkewMs) throw new ClockError({ aheadMs: message.now - nowMs })
    if (message.term === before.term && at > 0)
      return links[at - 1]!.batch.head.message.coordinator === message.coordinator
        ? undefined
        : 'the term is not its coordinator to write'
    if (message.term < before.term || message.term > before.term + 1) return 'its term is wrong'
    const wait = waitMs(stateAfter(at), message.term, message.coordinator)
    const isEarly = at > 0 && wait !== undefined && message.now < before.now + wait
    return wait === undefined || isEarly ? 'its coordinator was not in turn' : undefined
  }

  async function take(batches: readonly Batch.Batch[], nowMs: number): Promise<Taken> {
    const fresh = batches.filter(({ head }, place) => {
      const known = links[head.message.sequence]
      const isFirst =
        place === 0 || batches[place - 1]!.head.message.sequence < head.message.sequence
      return isFirst && (!known || known.batch.head.signature !== head.signature)
    })
    const [first] = fresh
    if (!first) return { decisions: [], undone: 0 }
    const at = first.head.message.sequence
    if (at > links.length) throw new LogError(`Batch ${at} comes before batch ${links.length}.`)
    const own = links.splice(at)
    const before = { decided, count: decided.length }
    try {
      for (const batch of fresh) {
        const problem = problemOf(batch, links.length, nowMs)
        if (problem !== undefined)
          throw new LogError(`Batch ${batch.head.message.sequence} cannot stand: ${problem}.`)
        push(follow(batch))
      }
      if (own.length > 0 && !isBetter(links.slice(at), own, stateAfter(at))) throw new BranchError()
      if (own.length > 0) decided = decisionsOf(links)
      else for (const { decisions } of links.slice(at)) decided.push(...decisions)
      const undo = own.slice(fresh.length).map(({ batch }) => keyOf(batch))
      await store.write([
        ...fresh.map((batch) => ({
          table,
          key: keyOf(batch),
          value: new TextDecoder().decode(Batch.serialize(batch)),
        })),
        ...undo.map((key) => ({ table, key, value: undefined })),
      ])
    } catch (error) {
      links.splice(at, Infinity, ...own)
      decided = before.decided
      decided.length = before.count
      throw error
    }
    return { decisions: decisionsOf(links.slice(at)), undone: own.length }
  }

  return {
    run,
    order: message,
    state: last,
    decisions: () => decided,
    history: () => links,
    head: () => headAt(links.length),
    from: (sequence, limit = 64) =>
      links.slice(sequence, sequence + limit).map(({ batch }) => batch),
    take(batches, nowMs) {
      const taken = turn.then(() => take(batches, nowMs))
      turn = taken.catch(() => {})
      return taken
    },
  }
}

export declare namespace openLog {
  type Ports = { domain: Domain.Domain; store: Store }
  type Options = { order: Signed<TrainingOrder.TrainingOrder>; policy?: Policy | undefined }
}

function decisionsOf(links: readonly Link[]): Decision[] {
  return links.flatMap(({ decisions }) => [...decisions])
}

/** States of so many of the last batches are kept, and of every so many-th before. */
const keptStates = 64

const utf8 = new TextEncoder()

function keyOf({ head }: Batch.Batch): string {
  return head.message.sequence.toString().padStart(10, '0')
}

/** Thrown when batches cannot be taken into a log. */
export class LogError extends BaseError {
  override readonly code = 'Training.LogError'

  constructor(shortMessage: string) {
    super(shortMessage)
  }
}

/** Thrown when a branch counts less than ours. */
export class BranchError extends BaseError {
  override readonly code = 'Training.BranchError'

  constructor() {
    super('Our branch of the log counts more.')
  }
}

/** Thrown when a batch is from the future: its coordinator's clock is wrong, or ours. */
export class ClockError extends BaseError {
  override readonly code = 'Training.ClockError'

  constructor({ aheadMs }: { aheadMs: number }) {
    const seconds = Math.round(aheadMs / 1000)
    super(`The run's coordinator is ${seconds} seconds ahead of this machine's clock.`, {
      metaMessages: ['Fix: set the clocks of both machines, for instance by NTP.'],
    })
  }
}
