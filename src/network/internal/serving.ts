import type { Stream } from '@libp2p/interface'
import type { Logger } from '../../runtime/Logger.ts'
import { BaseError, codeOf } from '../../runtime/Errors.ts'
import * as Network from '../Network.ts'
import { encode, encodeError } from './frames.ts'
import { endFrame, line, type Account, type Line } from './line.ts'

/** The answering half of requests: streams in, handlers out. */
export type Serving = Disposable & {
  readonly handlers: Map<string, Network.Handler>
  /** Serves requests on a stream, one after the other, until it ends. */
  serve(stream: Stream, protocol: string, from: string): Promise<void>
}

/** Handlers that run at once for one peer, over all protocols. */
export const concurrencyLimit = 256

/**
 * Requests of a peer under way up to which a piece of an answer goes at once, so that the peer works on it
 * while the next is made; with more, fewer frames count for more.
 */
const quietLimit = 2

/** Creates the answering half. Disposing of it aborts what is being answered. */
export function serving({ logger }: { logger: Logger }): Serving {
  const handlers = new Map<string, Network.Handler>()
  const peers = new Map<string, Account & { streams: number; running: number }>()
  const stopped = new AbortController()

  async function serve(stream: Stream, protocol: string, from: string): Promise<void> {
    const peer = peers.get(from) ?? { bufferedBytes: 0, streams: 0, running: 0 }
    peers.set(from, peer)
    peer.streams++
    const broken = new AbortController()
    const leave = (error: Error | undefined) => {
      broken.abort(error ?? new Network.UnreachableError({ peer: from }))
      if (--peer.streams === 0) peers.delete(from)
    }
    // One request after the other; the next may arrive before the answer to this one is out.
    const served = line(stream, peer, leave, { unreadLimit: 1 })
    const signal = AbortSignal.any([broken.signal, stopped.signal])
    try {
      for (;;) {
        const { type, payload } = await served.next()
        if (type !== 'message') return served.reset(new Error(`A request cannot be ${type}.`))
        if (peer.running >= concurrencyLimit) {
          await served.send(encodeError(new BusyError()), signal)
          continue
        }
        peer.running++
        try {
          const hurry = () => peer.running <= quietLimit
          await answer(served, protocol, payload, { from, signal, hurry })
        } finally {
          peer.running--
        }
      }
    } catch {
      // The stream has ended or broken, or we leave.
      if (stopped.signal.aborted) served.reset(new Network.UnreachableError({ peer: from }))
      else served.close()
    }
  }

  async function answer(
    served: Line,
    protocol: string,
    body: Uint8Array,
    options: { from: string; signal: AbortSignal; hurry: () => boolean },
  ): Promise<void> {
    const { from, signal, hurry } = options
    let replies = 0
    try {
      const handler = handlers.get(protocol)
      if (!handler) throw new Network.NoHandlerError({ peer: from, protocol })
      for await (const reply of handler(body, options)) {
        signal.throwIfAborted()
        const bytes = reply.byteLength
        if (bytes > Network.limitBytes) throw new Network.TooLargeError({ bytes })
        // The first may be all, and go with the end.
        const way = replies++ > 0 && hurry() ? 'send' : 'add'
        await served[way](encode('message', reply), signal)
      }
      // What was aborted is not complete, however quietly its handler ended.
      signal.throwIfAborted()
      await served.add(endFrame, signal)
    } catch (error) {
      signal.throwIfAborted()
      logger.debug({ error, from, protocol, code: codeOf(error) }, 'A request failed.')
      await served.send(encodeError(error), signal)
    }
  }

  return { handlers, serve, [Symbol.dispose]: () => stopped.abort() }
}

/** Thrown when a peer has too many requests under way. */
export class BusyError extends BaseError {
  override readonly code = 'Network.BusyError'

  constructor() {
    super('The peer answers as many requests of yours as it can.', {
      metaMessages: [`Limit: ${concurrencyLimit} at once`, 'Fix: wait for some to end.'],
    })
  }
}
