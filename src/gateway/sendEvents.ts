import type { FastifyReply } from 'fastify'
import type { Clock } from '../runtime/Clock.ts'
import { BaseError } from '../runtime/Errors.ts'

/** One server-sent event. */
export type ServerEvent = { readonly event?: string | undefined; readonly data: string }

/**
 * Sends server-sent events over a reply, no faster than the client reads. Nothing is written before
 * the first event is there, so that until then a failure can still become an ordinary error.
 *
 * @throws whatever `events` throws, and `StalledError` when the client stops reading.
 */
export async function sendEvents(
  reply: FastifyReply,
  events: AsyncIterable<ServerEvent>,
  options: { clock: Clock; signal: AbortSignal; stallTimeoutMs: number },
): Promise<void> {
  const { raw } = reply
  for await (const { event, data } of events) {
    if (!raw.headersSent) {
      reply.hijack()
      raw.writeHead(200, {
        ...(reply.getHeaders() as Record<string, string>),
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-cache, no-transform',
        'x-accel-buffering': 'no',
      })
    }
    const text = `${event === undefined ? '' : `event: ${event}\n`}data: ${data}\n\n`
    if (!raw.write(text)) await drained(raw, options)
  }
}

async function drained(
  raw: FastifyReply['raw'],
  options: { clock: Clock; signal: AbortSignal; stallTimeoutMs: number },
): Promise<void> {
  const { clock, signal, stallTimeoutMs } = options
  const controller = new AbortController()
  const stop = AbortSignal.any([signal, controller.signal])
  const drain = new Promise<void>((resolve) => raw.once('drain', resolve))
  const stalled = clock.sleep(stallTimeoutMs, { signal: stop }).then(() => {
    throw new StalledError({ stallTimeoutMs })
  })
  stalled.catch(() => undefined)
  try {
    await Promise.race([drain, stalled])
  } finally {
    controller.abort()
  }
}

/** Thrown when a client keeps a stream open and reads nothing. */
export class StalledError extends BaseError {
  override readonly code = 'Gateway.StalledError'

  constructor({ stallTimeoutMs }: { stallTimeoutMs: number }) {
    super('The client stopped reading its stream.', {
      metaMessages: [`Waited: ${stallTimeoutMs} ms`],
    })
  }
}
