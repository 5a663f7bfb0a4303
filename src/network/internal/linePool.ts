import type { Connection } from '@libp2p/interface'
import { BaseError } from '../../runtime/Errors.ts'
import { line, type Account, type Line } from './line.ts'

/** Streams kept open for the next request: opening one costs more than a whole request on an open one. */
export type LinePool = Disposable & {
  /** An idle line to the peer, or a new one; waits when as many as allowed are in use. */
  take(peer: string, protocol: string, options: TakeOptions): Promise<TakenLine>
  /** Gives a line back for the next request; not after an error. */
  release(taken: TakenLine): void
  /** Gives a line back that is of no use any more. */
  discard(taken: TakenLine, reason: Error): void
}

export type TakeOptions = {
  signal: AbortSignal
  /** Take no line or connection that was there before. */
  fresh?: boolean | undefined
}

/** `reused` lines and connections may have died without our noticing. */
export type TakenLine = { readonly line: Line; readonly key: string; readonly reused: boolean }

/** Requests under way at once to one peer and protocol, and how many wait beyond that. */
export const linesLimit = 128
const waitersLimit = 1024
const idleLimit = 32

type Shelf = { idle: Line[]; used: number; waiters: Set<() => void> }

/** Creates a pool over `connect`, which finds or makes a connection. */
export function linePool(
  connect: (
    peer: string,
    options: TakeOptions,
  ) => Promise<{ readonly connection: Connection; readonly reused: boolean }>,
): LinePool {
  const shelves = new Map<string, Shelf>()
  const account: Account = { bufferedBytes: 0 }
  const shelfOf = (key: string): Shelf => {
    const shelf = shelves.get(key) ?? { idle: [], used: 0, waiters: new Set() }
    shelves.set(key, shelf)
    return shelf
  }
  const leave = (key: string) => {
    const shelf = shelfOf(key)
    shelf.used--
    const [waiter] = shelf.waiters
    if (waiter) shelf.waiters.delete(waiter)
    waiter?.()
    tidy(key)
  }
  const tidy = (key: string) => {
    const shelf = shelves.get(key)
    if (shelf && shelf.used + shelf.idle.length + shelf.waiters.size === 0) shelves.delete(key)
  }

  async function open(
    key: string,
    peer: string,
    protocol: string,
    options: TakeOptions,
  ): Promise<TakenLine> {
    const { connection, reused } = await connect(peer, options)
    const stream = await connection.newStream(protocol, {
      signal: options.signal,
      maxOutboundStreams: linesLimit + idleLimit,
      runOnLimitedConnection: true,
    })
    const opened = line(stream, account, () => {
      const shelf = shelves.get(key)
      if (!shelf) return
      shelf.idle = shelf.idle.filter((idle) => idle !== opened)
      tidy(key)
    })
    return { line: opened, key, reused }
  }

  return {
    async take(peer, protocol, options) {
      const key = `${peer} ${protocol}`
      let shelf = shelfOf(key)
      for (; shelf.used >= linesLimit; shelf = shelfOf(key)) await departure(shelf, options.signal)
      shelf.used++
      try {
        while (!options.fresh) {
          const idle = shelf.idle.pop()
          if (!idle) break
          if (idle.open && !idle.unread) return { line: idle, key, reused: true }
          idle.reset(new Error('The stream was not idle.'))
        }
        return await open(key, peer, protocol, options)
      } catch (error) {
        leave(key)
        throw error
      }
    },
    release({ line: released, key }) {
      const shelf = shelfOf(key)
      if (released.open && shelf.idle.length < idleLimit) shelf.idle.push(released)
      else released.close()
      leave(key)
    },
    discard({ line: discarded, key }, reason) {
      discarded.reset(reason)
      leave(key)
    },
    [Symbol.dispose]() {
      for (const { idle } of shelves.values()) for (const each of idle) each.close()
      shelves.clear()
    },
  }
}

/** Waits until one of the lines in use is given back. */
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
