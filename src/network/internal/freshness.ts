import type { Clock } from '../../runtime/Clock.ts'

/**
 * Refuses old messages that somebody sends again. Clocks of authors need not be right: a message is fresh when it is
 * not much older than the newest of its author, or when it is of now. Remembers the newest of 4096 authors.
 */
export function freshness(clock: Clock): (author: string, at: number) => boolean {
  const newest = new Map<string, number>()

  return (author, at) => {
    const last = newest.get(author) ?? -Infinity
    const isOfNow = Math.abs(at - clock.now()) <= windowMs
    if (at < last - windowMs && !isOfNow) return false
    newest.delete(author)
    newest.set(author, isOfNow ? at : Math.max(last, at))
    if (newest.size > authorsLimit) newest.delete(newest.keys().next().value!)
    return true
  }
}

/** Gossipsub itself knows for two minutes what it has seen. */
const windowMs = 60_000
const authorsLimit = 4096
