import { BaseError } from './Errors.ts'

/**
 * Tables of strings that survive a crash, as a port. `sqliteStore` is the one on disk, `memoryStore`
 * the one for tests. Values are what the owner of a table serialises, usually JSON.
 */
export type Store = AsyncDisposable & {
  get(table: string, key: string): Promise<string | undefined>
  /** Entries in ascending order of key. */
  list(table: string, options?: ListOptions): Promise<readonly Entry[]>
  /**
   * Applies all writes or none. When it resolves, they survive `kill -9`; and a power cut, together with
   * all earlier ones, unless `sync` is `soon`.
   */
  write(writes: readonly Write[], options?: WriteOptions): Promise<void>
}

export type WriteOptions = {
  /**
   * `soon` leaves it to the store to reach the disk itself within a tenth of a second: a hundred times
   * faster, for records that stand between a user and an answer and promise nothing to anybody yet.
   *
   * @default 'now'
   */
  sync?: 'now' | 'soon' | undefined
}

export type Entry = { readonly key: string; readonly value: string }

export type ListOptions = {
  /** Only keys that start with this. */
  prefix?: string | undefined
  /** Only keys after this one. */
  after?: string | undefined
  /** @default 1000 */
  limit?: number | undefined
}

/** Puts a value, or deletes the key when `value` is undefined. */
export type Write = {
  readonly table: string
  readonly key: string
  readonly value: string | undefined
}

/** Thrown when a write did not happen, for instance because the disk is full. Nothing of it was applied. */
export class WriteError extends BaseError {
  override readonly code = 'Store.WriteError'

  constructor({ cause, path }: { cause: unknown; path: string }) {
    super('The store could not write; nothing of the write was applied.', {
      cause,
      metaMessages: [
        `File: ${path}`,
        `Reason: ${cause instanceof Error ? cause.message : String(cause)}`,
        'Fix: free some disk space or choose another folder with --home.',
      ],
    })
  }
}
