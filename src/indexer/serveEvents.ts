import type { FastifyReply, FastifyRequest } from 'fastify'
import { every, type Clock } from '../runtime/Clock.ts'
import { BaseError } from '../runtime/Errors.ts'
import type * as Api from './Api.ts'

/** The live stream of the API (server-sent events): who listens, and what was told lately. */
export type EventStream = AsyncDisposable & {
  /** Remembers changes; listeners hear of them at the next beat. */
  add(changes: readonly Api.Change[]): void
  /**
   * Makes a request a listener. With `Last-Event-ID` it first hears what it missed.
   *
   * @throws {TooManyListenersError} when as many listen as may.
   */
  open(request: FastifyRequest, reply: FastifyReply): void
  readonly listeners: number
}

/**
 * Starts a stream of batches: everything that changed within a beat is told once, so a busy network
 * costs a listener no more messages than a quiet one.
 */
export function serveEvents(ports: { clock: Clock }, options: serveEvents.Options): EventStream {
  const { clock } = ports
  const { beatMs = 250, heartbeatMs = 15_000, maxListeners = 200, historyLength = 500 } = options
  const life = clock.now().toString(36)
  const listeners = new Set<Listener>()
  const history: Batch[] = []
  const pending = new Map<string, Api.Change>()
  const controller = new AbortController()
  const { signal } = controller
  let sequence = 0

  const beat = () => {
    if (pending.size === 0) return
    const changes = pending.size > longestBatch ? summary(pending) : [...pending.values()]
    pending.clear()
    const batch = { sequence: ++sequence, changes }
    history.push(batch)
    if (history.length > historyLength) history.shift()
    for (const listener of listeners) send(listener, frame(life, batch))
  }
  const loops = [
    every(clock, beatMs, beat, { signal, onError: () => {} }),
    every(
      clock,
      heartbeatMs,
      () => {
        for (const listener of listeners) send(listener, ': still here\n\n')
      },
      { signal, onError: () => {} },
    ),
  ]

  return {
    get listeners() {
      return listeners.size
    },
    add(changes) {
      for (const change of changes) pending.set(`${change.kind} ${change.id}`, change)
    },
    open(request, reply) {
      if (listeners.size >= maxListeners) throw new TooManyListenersError({ maxListeners })
      reply.hijack()
      const { raw } = reply
      raw.writeHead(200, { ...reply.getHeaders(), ...headers } as Record<string, string>)
      const listener: Listener = {
        write: (text) => raw.write(text),
        end: () => raw.end(),
        waiting: () => raw.writableLength,
      }
      listeners.add(listener)
      raw.on('close', () => listeners.delete(listener))
      raw.on('error', () => listeners.delete(listener))
      const missed = missedSince(history, life, sequence, request.headers['last-event-id'])
      send(listener, `retry: 1000\nid: ${life}-${sequence}\nevent: hello\ndata: {}\n\n`)
      if (missed === undefined) send(listener, `event: reset\ndata: {}\n\n`)
      for (const batch of missed ?? []) send(listener, frame(life, batch))
    },
    async [Symbol.asyncDispose]() {
      controller.abort()
      for (const listener of listeners) listener.end()
      listeners.clear()
      await Promise.all(loops)
    },
  }
}

export declare namespace serveEvents {
  type Options = {
    /** How long changes are gathered before they are told. @default 250 */
    beatMs?: number | undefined
    /** @default 15_000 */
    heartbeatMs?: number | undefined
    /** @default 200 */
    maxListeners?: number | undefined
    /** How many batches a listener that comes back may have missed. @default 500 */
    historyLength?: number | undefined
  }
}

type Listener = { write(text: string): void; end(): void; waiting(): number }
type Batch = { readonly sequence: number; readonly changes: readonly Api.Change[] }

const headers = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-store',
  'x-accel-buffering': 'no',
} as const

/** More changes than this in a beat are told as "everything of that kind". */
const longestBatch = 100
/** A listener that does not read is let go; it comes back with its last id. */
const mostWaitingBytes = 256 * 1024

function send(listener: Listener, text: string): void {
  if (listener.waiting() > mostWaitingBytes) listener.end()
  else listener.write(text)
}

function frame(life: string, { sequence, changes }: Batch): string {
  return `id: ${life}-${sequence}\nevent: change\ndata: ${JSON.stringify(changes)}\n\n`
}

function summary(pending: ReadonlyMap<string, Api.Change>): readonly Api.Change[] {
  const kinds = new Set([...pending.values()].map((change) => change.kind))
  return [...kinds].map((kind) => ({ kind, id: '*' }))
}

/** Undefined when it cannot be told what was missed: after a restart, or after too long. */
function missedSince(
  history: readonly Batch[],
  life: string,
  sequence: number,
  lastEventId: string | readonly string[] | undefined,
): readonly Batch[] | undefined {
  if (lastEventId === undefined) return []
  const match = /^([0-9a-z]{1,16})-(\d{1,15})$/.exec(String(lastEventId))
  if (!match || match[1] !== life) return undefined
  const last = Number(match[2])
  if (last > sequence || sequence - last > history.length) return undefined
  return history.filter((batch) => batch.sequence > last)
}

/** Thrown when the live stream has all the listeners it can serve. */
export class TooManyListenersError extends BaseError {
  override readonly code = 'Explorer.TooManyListenersError'

  constructor({ maxListeners }: { maxListeners: number }) {
    super('The live stream is full.', {
      metaMessages: [`Listeners: ${maxListeners}`, 'Fix: try again later, or ask without it.'],
    })
  }
}
