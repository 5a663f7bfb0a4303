/** What has arrived and was not taken yet, in order; the sender waits when it grows over its limit. */
export type Inbox<item> = {
  push(item: item): void
  /** Nothing arrives any more: what is queued can still be taken, then `next` throws the error. */
  end(error: unknown): void
  /** Throws away what is queued: `next` throws the error at once. */
  fail(error: unknown): void
  next(): Promise<item>
  /** Resolves when there is room again, or when nobody will take anything any more. */
  room(): Promise<void>
  readonly full: boolean
  readonly closed: boolean
  /** Whether somebody is waiting in `next`. */
  readonly waiting: boolean
}

/** Creates an inbox for one reader. */
export function inbox<item>(options: { limit?: number | undefined } = {}): Inbox<item> {
  const { limit = 64 } = options
  let items: item[] = []
  let closing: { readonly error: unknown } | undefined
  let reader: PromiseWithResolvers<item> | undefined
  let writers: (() => void)[] = []
  const wake = () => {
    const woken = writers
    writers = []
    for (const writer of woken) writer()
  }
  const end = (error: unknown) => {
    closing ??= { error }
    reader?.reject(closing.error)
    reader = undefined
    wake()
  }

  return {
    push(item) {
      if (closing) return
      if (!reader) return void items.push(item)
      reader.resolve(item)
      reader = undefined
    },
    end,
    fail(error) {
      items = []
      closing = { error }
      end(error)
    },
    async next() {
      const item = items.shift()
      if (item !== undefined) {
        if (items.length < limit) wake()
        return item
      }
      if (closing) throw closing.error
      reader = Promise.withResolvers<item>()
      return await reader.promise
    },
    async room() {
      if (items.length < limit || closing) return
      await new Promise<void>((resolve) => writers.push(resolve))
    },
    get full() {
      return items.length >= limit
    },
    get closed() {
      return closing !== undefined
    },
    get waiting() {
      return reader !== undefined
    },
  }
}
