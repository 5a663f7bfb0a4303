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
