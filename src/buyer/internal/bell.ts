/** Wakes whoever waits for something to change; they look for themselves at what did. */
export type Bell = {
  ring(): void
  /** Resolves at the next ring; rejects with the signal's reason when aborted first. */
  next(signal?: AbortSignal): Promise<void>
}

/** Creates a bell that nobody waits at. */
export function createBell(): Bell {
  const waiting = new Set<() => void>()
  return {
    ring() {
      const woken = [...waiting]
      waiting.clear()
      for (const wake of woken) wake()
    },
    next: (signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason)
        const abort = () => {
          waiting.delete(wake)
          reject(signal?.reason)
        }
        const wake = () => {
          signal?.removeEventListener('abort', abort)
          resolve()
        }
        waiting.add(wake)
        signal?.addEventListener('abort', abort, { once: true })
      }),
  }
}
