import { EngineError } from '../Engine.ts'

/**
 * Lends out at most `size` resources, opened when first needed and used again afterwards. Who finds
 * none free waits in line; the line is limited. Disposing of the pool disposes of every resource,
 * lent or not.
 */
export function slotPool<resource extends AsyncDisposable>(
  options: slotPool.Options<resource>,
): slotPool.Pool<resource> {
  const { size, waiting = 1024, open } = options
  const opened = new Set<Promise<resource>>()
  const free: resource[] = []
  const line: Waiter<resource>[] = []
  let closed = false

  const hand = (value: resource) => {
    const next = line.shift()
    if (next) next.resolve(value)
    else if (!closed) free.push(value)
  }
  const add = async (): Promise<resource> => {
    const opening = open()
    opened.add(opening)
    try {
      return await opening
    } catch (error) {
      opened.delete(opening)
      throw error
    }
  }
  const take = async (signal: AbortSignal | undefined): Promise<resource> => {
    if (closed) throw closedError()
    const value = free.pop()
    if (value) return value
    if (opened.size < size) return await add()
    if (line.length >= waiting)
      throw new EngineError('Too many jobs wait for the engine.', {
        metaMessages: [`Waiting: ${line.length}`, 'Fix: send fewer at once.'],
      })
    return await inLine(line, signal)
  }

  return {
    async acquire({ signal }) {
      signal?.throwIfAborted()
      const value = await take(signal)
      return { value, [Symbol.asyncDispose]: async () => hand(value) }
    },
    async [Symbol.asyncDispose]() {
      closed = true
      for (const waiter of line.splice(0)) waiter.reject(closedError())
      for (const opening of await Promise.allSettled(opened))
        if (opening.status === 'fulfilled') await opening.value[Symbol.asyncDispose]()
      opened.clear()
    },
  }
}

export declare namespace slotPool {
  type Options<resource> = {
    size: number
    /** How many may wait. @default 1024 */
    waiting?: number | undefined
    open: () => Promise<resource>
  }
  type Pool<resource> = AsyncDisposable & {
    /** The resource, and its return by disposing of the slot. */
    acquire(options: {
      signal?: AbortSignal | undefined
    }): Promise<AsyncDisposable & { readonly value: resource }>
  }
}

type Waiter<resource> = {
  readonly resolve: (value: resource) => void
  readonly reject: (error: unknown) => void
}

function inLine<resource>(
  line: Waiter<resource>[],
  signal: AbortSignal | undefined,
): Promise<resource> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void) => {
      signal?.removeEventListener('abort', leave)
      act()
    }
    const waiter: Waiter<resource> = {
      resolve: (value) => settle(() => resolve(value)),
      reject: (error) => settle(() => reject(error)),
    }
    const leave = () => {
      line.splice(line.indexOf(waiter), 1)
      reject(signal?.reason)
    }
    line.push(waiter)
    signal?.addEventListener('abort', leave, { once: true })
  })
}

function closedError(): EngineError {
  return new EngineError('The engine has been closed.')
}
