/** Lets some in at a time, the others in the order of their coming. */
export type Semaphore = {
  /** How many wait. */
  waiting(): number
  /** How many are in. */
  taken(): number
  /** Resolves when there is a place, which is given back by disposing of it; rejects with the signal's reason. */
  take(signal?: AbortSignal): Promise<AsyncDisposable>
}

/** Creates a semaphore of so many places. Whoever takes bounds how many may wait. */
export function semaphore(places: number): Semaphore {
  let left = places
  const queue: (() => void)[] = []
  const release = () => {
    const next = queue.shift()
    if (next) next()
    else left += 1
  }
  return {
    waiting: () => queue.length,
    taken: () => places - left,
    async take(signal?: AbortSignal): Promise<AsyncDisposable> {
      signal?.throwIfAborted()
      if (left > 0) left -= 1
      else
        await new Promise<void>((resolve, reject) => {
          const enter = () => {
            signal?.removeEventListener('abort', leave)
            resolve()
          }
          const leave = () => {
            queue.splice(queue.indexOf(enter), 1)
            reject(signal?.reason as Error)
          }
          queue.push(enter)
          signal?.addEventListener('abort', leave, { once: true })
        })
      return { [Symbol.asyncDispose]: async () => release() }
    },
  }
}
