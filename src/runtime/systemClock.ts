import type { Clock } from './Clock.ts'

/** The clock of the machine. */
export function systemClock(): Clock {
  return {
    now: () => Date.now(),
    sleep: (ms, { signal } = {}) =>
      new Promise<void>((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason as Error)
        // Most sleeps are limits that are never reached: aborting one must not cost an error with a stack.
        const abort = () => {
          clearTimeout(timer)
          reject(signal!.reason as Error)
        }
        const timer = setTimeout(() => {
          signal?.removeEventListener('abort', abort)
          resolve()
        }, ms)
        signal?.addEventListener('abort', abort, { once: true })
      }),
  }
}
