import type { Clock } from '../../runtime/Clock.ts'

/** A share of the line: who wants to move bytes waits here until they fit. */
export type Bandwidth = {
  readonly isLimited: boolean
  /** Resolves when so many more bytes may move; those who ask first are served first. */
  take(this: void, bytes: number, options?: { signal?: AbortSignal | undefined }): Promise<void>
}

/** What may be saved up while nothing moves. */
const burstMs = 100

/** Creates a token bucket on the port's clock; without a rate nobody waits. */
export function bandwidth(clock: Clock, bytesPerSecond: number | undefined): Bandwidth {
  if (bytesPerSecond === undefined) return { isLimited: false, take: () => Promise.resolve() }
  let freeAt = 0
  return {
    isLimited: true,
    async take(bytes, options) {
      const now = clock.now()
      const at = Math.max(freeAt, now - burstMs)
      freeAt = at + (bytes / bytesPerSecond) * 1000
      if (at > now) await clock.sleep(at - now, options)
    },
  }
}
