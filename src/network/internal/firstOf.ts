import { type Clock, joinSignals } from '../../runtime/Clock.ts'

/**
 * Asks one after the other, the next when the last has failed or has taken `staggerMs`, and takes the first
 * answer; the others are told to stop.
 *
 * @returns the answer in a box; undefined when all have failed.
 */
export async function firstOf<item, result>(
  clock: Clock,
  items: readonly item[],
  attempt: (item: item, signal: AbortSignal) => Promise<result>,
  { staggerMs, signal }: { staggerMs: number; signal: AbortSignal },
): Promise<{ readonly value: result } | undefined> {
  const done = new AbortController()
  using joined = joinSignals(signal, done.signal)
  const running = new Set<Promise<void>>()
  let won: { readonly value: result } | undefined
  const start = (item: item) => {
    const task = attempt(item, joined.signal)
      .then(
        (value) => void (won ??= { value }),
        () => {},
      )
      .finally(() => running.delete(task))
    running.add(task)
  }
  const pause = async () => {
    const over = new AbortController()
    using either = joinSignals(joined.signal, over.signal)
    const waited = clock.sleep(staggerMs, { signal: either.signal }).catch(() => {})
    await Promise.race([...running, waited])
    over.abort()
  }
  try {
    for (const item of items) {
      start(item)
      await pause()
      if (won || signal.aborted) break
    }
    while (!won && running.size > 0 && !signal.aborted) await Promise.race(running)
  } finally {
    done.abort(new DOMException('Somebody else has answered.', 'AbortError'))
    await Promise.all(running)
  }
  signal.throwIfAborted()
  return won
}
