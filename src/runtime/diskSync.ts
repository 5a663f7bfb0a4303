import { closeSync, fdatasync, openSync } from 'node:fs'

/** Brings what was written to a file to the disk, off the thread that serves. */
export type DiskSync = Disposable & {
  /**
   * Resolves when everything written before the call is on the disk. Calls that meet share one trip.
   *
   * @throws what the operating system says; from then on always, because nobody knows what was lost.
   */
  sync(): Promise<void>
}

/** Opens the file at the first call; it must exist by then. */
export function diskSync(path: string): DiskSync {
  let descriptor: number | undefined
  let running: Promise<void> | undefined
  let next: Promise<void> | undefined
  let broken: { readonly cause: unknown } | undefined

  async function trip(before: Promise<void> | undefined): Promise<void> {
    await before?.catch(() => {})
    next = undefined
    if (broken) throw broken.cause
    try {
      descriptor ??= openSync(path, 'r')
      running = flush(descriptor)
      await running
    } catch (cause) {
      broken = { cause }
      throw cause
    } finally {
      running = undefined
    }
  }

  return {
    sync: () => (next ??= trip(running)),
    [Symbol.dispose]() {
      if (descriptor !== undefined) closeSync(descriptor)
      descriptor = undefined
    },
  }
}

function flush(descriptor: number): Promise<void> {
  return new Promise((resolve, reject) =>
    fdatasync(descriptor, (error) => (error ? reject(error) : resolve())),
  )
}
