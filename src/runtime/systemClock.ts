import { setTimeout as wait } from 'node:timers/promises'
import type { Clock } from './Clock.ts'

/** The clock of the machine. A pending sleep does not keep a process alive on its own signal's abort. */
export function systemClock(): Clock {
  return {
    now: () => Date.now(),
    async sleep(ms, { signal } = {}) {
      signal?.throwIfAborted()
      try {
        await wait(ms, undefined, signal ? { signal } : {})
      } catch (error) {
        signal?.throwIfAborted()
        throw error
      }
    },
  }
}
