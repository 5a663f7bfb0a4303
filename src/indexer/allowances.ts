import type { Listener } from '../network/Network.ts'
import type { Clock } from '../runtime/Clock.ts'
import { BaseError, codeOf } from '../runtime/Errors.ts'
import type { Logger } from '../runtime/Logger.ts'

/** Wraps a writer so that a bad message is dropped with its reason, and costs one neighbour's allowance. */
export function guarded(
  { logger }: { logger: Logger },
  topic: string,
  allowance: (from: string) => boolean,
  write: (body: Uint8Array, from: string) => void,
): Listener {
  return (body, { from }) => {
    if (!allowance(from)) return
    try {
      write(body, from)
    } catch (error) {
      if (!(error instanceof BaseError)) logger.error({ error, topic }, 'A message was not kept.')
      else logger.debug({ topic, from, code: codeOf(error) }, error.message)
    }
  }
}

/** A bucket for each neighbour that holds ten seconds of messages. */
export function allowances(clock: Clock, messagesPerSecond: number): (from: string) => boolean {
  const buckets = new Map<string, { left: number; at: number }>()
  const full = messagesPerSecond * 10
  return (from) => {
    const now = clock.now()
    const bucket = buckets.get(from) ?? { left: full, at: now }
    if (buckets.size > neighboursLimit) buckets.clear()
    const refilled = bucket.left + ((now - bucket.at) / 1000) * messagesPerSecond
    const left = Math.min(full, refilled) - 1
    buckets.set(from, { left: Math.max(0, left), at: now })
    return left >= 0
  }
}

const neighboursLimit = 10_000
