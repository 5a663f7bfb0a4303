/** Which chunks of a content are still to come, and who fetches which. */
export type ChunkQueue<source> = {
  /** Chunks that have not come. */
  left(): number
  /**
   * Gives a source something to fetch: a chunk that nobody has, or, when all are under way, one that another
   * source has been at for much longer than chunks take.
   */
  take(source: source, nowMs: number): Task<source> | undefined
  /** Says that a chunk has come; false when another was faster. Whoever else fetches it is told to stop. */
  finish(task: Task<source>, nowMs: number): boolean
  /** Says that it did not come: others may have it at once. */
  giveBack(task: Task<source>): void
}

/** A chunk that one source fetches. `signal` is aborted when another was faster. */
export type Task<source> = {
  readonly index: number
  readonly source: source
  readonly sinceMs: number
  readonly signal: AbortSignal
}

/** Sources that fetch one chunk at once, and how long a chunk may take before a second one does. */
const fetchersLimit = 2
const leastMs = 2_000
const timesMean = 2

/** Creates the queue of the chunks that are missing. */
export function chunkQueue<source>(missing: readonly number[]): ChunkQueue<source> {
  const waiting = [...missing]
  const running = new Map<number, Map<Task<source>, AbortController>>()
  let left = missing.length
  let [finished, spentMs] = [0, 0]

  /** The chunk that has been under way longest, if that is too long. */
  function late(source: source, nowMs: number): number | undefined {
    const patienceMs = Math.max(leastMs, finished > 0 ? (timesMean * spentMs) / finished : 0)
    for (const [index, tasks] of running) {
      if (tasks.size >= fetchersLimit) continue
      const [task] = tasks.keys()
      if (task && task.source !== source && nowMs - task.sinceMs >= patienceMs) return index
    }
    return undefined
  }

  return {
    left: () => left,
    take(source, nowMs) {
      const index = waiting.shift() ?? late(source, nowMs)
      if (index === undefined) return undefined
      const stop = new AbortController()
      const task = { index, source, sinceMs: nowMs, signal: stop.signal }
      const tasks = running.get(index) ?? new Map<Task<source>, AbortController>()
      running.set(index, tasks.set(task, stop))
      return task
    },
    finish(task, nowMs) {
      const tasks = running.get(task.index)
      if (!tasks?.has(task)) return false
      running.delete(task.index)
      for (const [other, stop] of tasks) if (other !== task) stop.abort(overtaken)
      left--
      finished++
      spentMs += nowMs - task.sinceMs
      return true
    },
    giveBack(task) {
      const tasks = running.get(task.index)
      if (!tasks?.delete(task) || tasks.size > 0) return
      running.delete(task.index)
      waiting.unshift(task.index)
    },
  }
}

/** Made once: it is no fault of anybody. */
const overtaken = new DOMException('Another source was faster.', 'AbortError')
