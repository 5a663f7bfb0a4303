/** What time it is and how to wait, as a port. `systemClock` is the real one, `virtualClock` the one for simulations. */
export type Clock = {
  /** Milliseconds since the Unix epoch. */
  now(): number
  /** Resolves after `ms` milliseconds; rejects with the signal's reason when aborted first. */
  sleep(ms: number, options?: { signal?: AbortSignal | undefined }): Promise<void>
}
