import { DatabaseSync } from 'node:sqlite'
import { BaseError } from './Errors.ts'

/**
 * Takes a file for this process alone, until it is released or the process dies in any way: the
 * operating system holds the lock, through SQLite, so nothing stale is ever left behind.
 *
 * @throws {LockedError} when another process has it.
 */
export function fileLock(path: string): Disposable {
  const database = new DatabaseSync(path)
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE')
  } catch (cause) {
    database.close()
    throw new LockedError({ path, cause })
  }
  return {
    [Symbol.dispose]() {
      if (database.isOpen) database.close()
    },
  }
}

/** Thrown when another process of the same role works in the same home. */
export class LockedError extends BaseError {
  override readonly code = 'Lock.LockedError'

  constructor({ path, cause }: { path: string; cause: unknown }) {
    super('Another process works with this journal.', {
      cause,
      metaMessages: [
        `Lock: ${path}`,
        'Fix: stop it first, or give this one a home of its own with --home.',
      ],
    })
  }
}
