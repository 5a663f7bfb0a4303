import type { Clock } from '../runtime/Clock.ts'
import type { ApiKey } from './keys.ts'
import { RequestError } from './Problem.ts'

/** Holds every key to its rate and its number of answers at once. */
export type Limits = {
  /**
   * Counts one request.
   *
   * @throws {RequestError} 429 with the seconds to wait, when the key has used up its minute.
   */
  take(key: ApiKey): { readonly remaining: number }
  /**
   * Occupies room for answers until the returned handle is disposed.
   *
   * @throws {RequestError} 429 when the key has as many in the making as it may.
   */
  occupy(key: ApiKey, answers: number): Disposable
  /** Answers being made now, all keys together. */
  readonly running: number
}

/** Starts with full buckets. Only keys that exist get here, so their number bounds the memory. */
export function limits({ clock }: { clock: Clock }): Limits {
  const buckets = new Map<string, { tokens: number; at: number }>()
  const occupied = new Map<string, number>()
  let running = 0
  return {
    get running() {
      return running
    },
    take({ id, requestsPerMinute }) {
      const now = clock.now()
      const bucket = buckets.get(id) ?? { tokens: requestsPerMinute, at: now }
      const refill = ((now - bucket.at) / 60_000) * requestsPerMinute
      const tokens = Math.min(requestsPerMinute, bucket.tokens + refill)
      if (tokens < 1)
        throw new RequestError('The API key sends too many requests.', {
          status: 429,
          code: 'rate_limit_exceeded',
          retry: Math.ceil(((1 - tokens) / requestsPerMinute) * 60),
          metaMessages: [`Limit: ${requestsPerMinute} a minute.`, 'Fix: send them more slowly.'],
        })
      buckets.set(id, { tokens: tokens - 1, at: now })
      return { remaining: Math.floor(tokens - 1) }
    },
    occupy({ id, concurrency }, answers) {
      const taken = occupied.get(id) ?? 0
      if (taken + answers > concurrency)
        throw new RequestError('The API key has too many answers in the making.', {
          status: 429,
          code: 'rate_limit_exceeded',
          retry: 1,
          metaMessages: [
            `Limit: ${concurrency} at once; ${taken} are running and this asks for ${answers}.`,
            'Fix: wait for some to end.',
          ],
        })
      occupied.set(id, taken + answers)
      running += answers
      return {
        [Symbol.dispose]() {
          occupied.set(id, occupied.get(id)! - answers)
          running -= answers
        },
      }
    },
  }
}
