import type { Connection } from '@libp2p/interface'
import { BaseError } from '../../runtime/Errors.ts'
import { line, type Account, type Line } from './line.ts'

/** Streams kept open for the next request: opening one costs more than a whole request on an open one. */
export type LinePool = Disposable & {
  /**
   * An idle line to the peer, or a new one; waits when as many as allowed are in use.
   *
   * @throws {StaleError} when a connection that was there before gives no stream; perhaps it is dead.
   */
  take(peer: string, protocol: string, options: TakeOptions): Promise<TakenLine>
  /** Gives a line back for the next request; not after an error. */
  release(taken: TakenLine): void
  /** Gives a line back that is of no use any more. */
  discard(taken: TakenLine, reason: Error): void
}

export type TakeOptions = {
  signal: AbortSignal
  /** A connection that failed: take another, and no idle line. */
  avoid?: Connection | undefined
}

/** `reused` lines and connections may have died without our noticing. */
export type TakenLine = {
  readonly line: Line
  readonly key: string
  readonly connection: Connection
  readonly reused: boolean
}

/** Finds or makes a connection. */
export type Connect = (
  peer: string,
  options: TakeOptions,
) => Promise<{ readonly connection: Connection; readonly reused: boolean }>

/** Requests under way at once to one peer and protocol, how many wait beyond that, and streams being opened. */
export const linesLimit = 128
const waitersLimit = 1024
const openingLimit = 8
const idleLimit = 32

type Idle = { readonly line: Line; readonly connection: Connection }
type Shelf = { idle: Idle[]; used: number; opening: number; readonly waiters: Set<() => void> }

/** Creates a pool over `connect`. */
export function linePool(connect: Connect): LinePool {
  const shelves = new Map<string, Shelf>()
  const account: Account = { bufferedBytes: 0 }
  const shelfOf = (key: string): Shelf => {
    const shelf = shelves.get(key) ?? { idle: [], used: 0, opening: 0, waiters: new Set() }
    shelves.set(key, shelf)
    return shelf
  }
  const leave = (key: string) => {
    const shelf = shelfOf(key)
    shelf.used--
    wakeOne(shelf)
    tidy(key)
  }
  const tidy = (key: string) => {
    const shelf = shelves.get(key)
    if (shelf && shelf.used + shelf.idle.length + shelf.waiters.size === 0) shelves.delete(key)
  }

  async function open(key: string, peer: string, protocol: string, options: TakeOptions) {
    const { connection, reused } = await connect(peer, options)
    const stream = await newStream(connection, protocol, options).catch((error: unknown) => {
      throw reused && !isUnsupported(error) ? new StaleError({ connection, cause: error }) : error
    })
    const opened = line(stream, account, () => {
      const shelf = shelves.get(key)
      if (!shelf) return
      shelf.idle = shelf.idle.filter((idle) => idle.line !== opened)
      tidy(key)
    })
    return { line: opened, key, connection, reused }
  }

  return {
    async take(peer, protocol, options) {
      const key = `${peer} ${protocol}`
      let shelf = shelfOf(key)
      for (; !hasPlace(shelf); shelf = shelfOf(key)) await departure(shelf, options.signal)
      shelf.used++
      const idle = options.avoid ? undefined : takeIdle(shelf)
      if (idle) return { ...idle, key, reused: true }
      shelf.opening++
      try {
        return await open(key, peer, protocol, options)
      } catch (error) {
        leave(key)
        throw error
      } finally {
        shelf.opening--
        wakeOne(shelf)
      }
    },
    release({ line: released, key, connection }) {
      const shelf = shelfOf(key)
      if (released.open && shelf.idle.length < idleLimit)
        shelf.idle.push({ line: released, connection })
      else released.close()
      leave(key)
    },
    discard({ line: discarded, key }, reason) {
      discarded.reset(reason)
      leave(key)
    },
    [Symbol.dispose]() {
      for (const { idle } of shelves.values()) for (const each of idle) each.line.close()
      shelves.clear()
    },
  }
}

function hasPlace(shelf: Shelf): boolean {
  return shelf.used < linesLimit && (shelf.idle.length > 0 || shelf.opening < openingLimit)
}

/** The line used last, if it is fit for use. */
function takeIdle(shelf: Shelf): Idle | undefined {
  for (let idle = shelf.idle.pop(); idle; idle = shelf.idle.pop()) {
    if (idle.line.open && !idle.line.unread) return idle
    idle.line.reset(new Error('The stream was not idle.'))
  }
  return undefined
}

function wakeOne({ waiters }: Shelf): void {
  const [waiter] = waiters
  if (waiter) waiters.delete(waiter)
  waiter?.()
}

async function newStream(connection: Connection, protocol: string, { signal }: TakeOptions) {
  return await connection.newStream(protocol, {
    signal,
    maxOutboundStreams: linesLimit + idleLimit,
    runOnLimitedConnection: true,
  })
}

/** Whether a peer said that it does not answer the protocol. */
export function isUnsupported(error: unknown): boolean {
  return error instanceof Error && error.name === 'UnsupportedProtocolError'
}

/** Waits until a line is given back or opened. */
async function departure({ waiters }: Shelf, signal: AbortSignal): Promise<void> {
  if (waiters.size >= waitersLimit) throw new CongestedError()
  signal.throwIfAborted()
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const abort = () => {
    waiters.delete(resolve)
    reject(signal.reason)
  }
  signal.addEventListener('abort', abort, { once: true })
  waiters.add(resolve)
  try {
    await promise
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

/** Thrown when an old connection gives no stream. */
export class StaleError extends Error {
  readonly connection: Connection

  constructor({ connection, cause }: { connection: Connection; cause: unknown }) {
    super('The connection gives no stream.', { cause })
    this.connection = connection
  }
}

/** Thrown when too many requests wait for one peer. */
export class CongestedError extends BaseError {
  override readonly code = 'Network.CongestedError'

  constructor() {
    super('Too many requests wait for this peer.', {
      metaMessages: [
        `Limit: ${linesLimit} under way and ${waitersLimit} waiting`,
        'Fix: send fewer at once, or spread them over more peers.',
      ],
    })
  }
}
