import type { Clock } from './Clock.ts'

/** A clock that stands still until it is told to run; the heart of every simulation. */
export type VirtualClock = Clock & {
  /** Calls `fire` when the clock reaches `now() + ms`. */
  at(ms: number, fire: () => void): void
  /**
   * Fires what is due, in order of time and then of creation, until nothing is left before `until`.
   * After each firing every ready promise runs, and `afterEach` is called.
   */
  run(until: number, afterEach?: () => void): Promise<void>
}

/** Creates a virtual clock that starts at `start` milliseconds. */
export function virtualClock({ start = 1_700_000_000_000 } = {}): VirtualClock {
  let time = start
  let created = 0
  const heap = timerHeap()
  const at = (ms: number, fire: () => void): Timer => {
    const timer = { time: time + Math.max(0, ms), order: created++, fire }
    heap.push(timer)
    return timer
  }

  return {
    now: () => time,
    at: (ms, fire) => void at(ms, fire),
    sleep: (ms, { signal } = {}) =>
      new Promise((resolve, reject) => {
        signal?.throwIfAborted()
        const abort = () => {
          timer.fire = undefined
          reject(signal?.reason)
        }
        const timer = at(ms, () => {
          signal?.removeEventListener('abort', abort)
          resolve()
        })
        signal?.addEventListener('abort', abort, { once: true })
      }),
    async run(until, afterEach) {
      await settle()
      for (let next = heap.peek(); next && next.time <= until; next = heap.peek()) {
        heap.pop()
        if (!next.fire) continue
        time = next.time
        next.fire()
        await settle()
        afterEach?.()
      }
      time = Math.max(time, until)
    },
  }
}

type Timer = { readonly time: number; readonly order: number; fire: (() => void) | undefined }

/** Lets every promise that is ready run before the next event. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** A binary heap of timers, earliest first; ties fall to the one created first. */
function timerHeap() {
  const items: Timer[] = []
  const before = (a: Timer, b: Timer) => a.time < b.time || (a.time === b.time && a.order < b.order)
  const swap = (i: number, j: number) => {
    const held = items[i]!
    items[i] = items[j]!
    items[j] = held
  }

  return {
    peek: () => items[0],
    push(timer: Timer) {
      items.push(timer)
      let child = items.length - 1
      while (child > 0) {
        const parent = (child - 1) >> 1
        if (!before(items[child]!, items[parent]!)) break
        swap(child, parent)
        child = parent
      }
    },
    pop() {
      const last = items.pop()
      if (!last || items.length === 0) return
      items[0] = last
      let parent = 0
      for (;;) {
        let child = parent * 2 + 1
        if (child >= items.length) break
        if (child + 1 < items.length && before(items[child + 1]!, items[child]!)) child++
        if (!before(items[child]!, items[parent]!)) break
        swap(child, parent)
        parent = child
      }
    },
  }
}
