import type { Clock } from '../../runtime/Clock.ts'

/** Notices silence: one timer for a whole request instead of one for every message. */
export type Watchdog = Disposable & {
  /** Somebody begins to wait: silence counts from here. */
  start(): void
  /** Nobody waits any more. */
  rest(): void
}

/** Calls `onSilence` once, when a wait has lasted `timeoutMs`. */
export function watchdog(clock: Clock, timeoutMs: number, onSilence: () => void): Watchdog {
  const stopped = new AbortController()
  let since: number | undefined
  let running = false

  async function watch(): Promise<void> {
    while (since !== undefined && !stopped.signal.aborted) {
      const leftMs = since + timeoutMs - clock.now()
      if (leftMs <= 0) return onSilence()
      await clock.sleep(leftMs, { signal: stopped.signal })
    }
    running = false
  }

  return {
    start() {
      since = clock.now()
      if (running) return
      running = true
      watch().catch(() => {})
    },
    rest() {
      since = undefined
    },
    [Symbol.dispose]: () => stopped.abort(over),
  }
}

/** Made once: an error a request would cost a stack trace a request. */
const over = new Error('The request has ended.')
