/** What time it is and how to wait, as a port. `systemClock` is the real one, `virtualClock` the one for simulations. */
export type Clock = {
  /** Milliseconds since the Unix epoch. */
  now(): number
  /** Resolves after `ms` milliseconds; rejects with the signal's reason when aborted first. */
  sleep(ms: number, options?: { signal?: AbortSignal | undefined }): Promise<void>
}

/**
 * Runs `task` now and again `intervalMs` after each end, until the signal is aborted; then it resolves.
 * What the task throws goes to `onError`, and the next round comes all the same.
 */
export async function every(
  clock: Clock,
  intervalMs: number,
  task: () => void | Promise<void>,
  { signal, onError }: { signal: AbortSignal; onError: (error: unknown) => void },
): Promise<void> {
  while (!signal.aborted) {
    try {
      await task()
    } catch (error) {
      if (!signal.aborted) onError(error)
    }
    await clock.sleep(intervalMs, { signal }).catch(() => {})
  }
}

/** A signal that is aborted with the first of several, until it is disposed of. */
export type JoinedSignal = Disposable & { readonly signal: AbortSignal }

/**
 * Joins signals for the time of one job. `AbortSignal.any` does the same with weak references, which the
 * garbage collector has to look after; this listens, and must be told when to stop.
 */
export function joinSignals(...signals: readonly (AbortSignal | undefined)[]): JoinedSignal {
  const controller = new AbortController()
  const given = signals
    .filter((signal) => signal !== undefined)
    .map((signal) => ({ signal, onAbort: () => end(signal.reason) }))
  const stop = () => {
    for (const { signal, onAbort } of given) signal.removeEventListener('abort', onAbort)
  }
  const end = (reason: unknown) => {
    stop()
    controller.abort(reason)
  }
  const aborted = given.find(({ signal }) => signal.aborted)
  if (aborted) aborted.onAbort()
  else for (const { signal, onAbort } of given) signal.addEventListener('abort', onAbort)
  return { signal: controller.signal, [Symbol.dispose]: stop }
}
