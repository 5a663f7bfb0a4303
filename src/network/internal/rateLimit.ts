import type { Clock } from '../../runtime/Clock.ts'

/** Token buckets by name: takes `count` and returns whether that is allowed now. Remembers the last 4096 names. */
export function rateLimit(
  clock: Clock,
  options: { readonly perSecond: number; readonly burst: number },
): (name: string, count?: number) => boolean {
  const { perSecond, burst } = options
  const buckets = new Map<string, { tokens: number; at: number }>()

  return (name, count = 1) => {
    const now = clock.now()
    const last = buckets.get(name) ?? { tokens: burst, at: now }
    const refill = (Math.max(0, now - last.at) * perSecond) / 1000
    const tokens = Math.min(burst, last.tokens + refill)
    buckets.delete(name)
    buckets.set(name, { tokens: Math.max(0, tokens - count), at: now })
    if (buckets.size > namesLimit) buckets.delete(buckets.keys().next().value!)
    return tokens >= 1
  }
}

const namesLimit = 4096
