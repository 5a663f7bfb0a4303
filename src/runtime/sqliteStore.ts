import { DatabaseSync } from 'node:sqlite'
import { diskSync } from './diskSync.ts'
import { BaseError } from './Errors.ts'
import { WriteError, type Store, type Write } from './Store.ts'

/**
 * Opens a store in one SQLite file. Every write is a transaction in the write-ahead log, which is brought to
 * the disk off this thread: at once, or soon for writes that say so.
 *
 * @throws {OpenError} when the file cannot be opened or is not a database.
 */
export function sqliteStore(path: string): Store {
  const database = open(path)
  const get = database.prepare('SELECT value FROM entries WHERE tbl = ? AND key = ?')
  const list = database.prepare(
    'SELECT key, value FROM entries WHERE tbl = ? AND key > ? AND key >= ? AND key < ? ORDER BY key LIMIT ?',
  )
  const put = database.prepare(
    'INSERT INTO entries (tbl, key, value) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value',
  )
  const begin = database.prepare('BEGIN IMMEDIATE')
  const end = database.prepare('COMMIT')
  const remove = database.prepare('DELETE FROM entries WHERE tbl = ? AND key = ?')
  const disk = diskSync(`${path}-wal`)
  let unsynced = false
  let lastSync: Promise<void> = Promise.resolve()
  let timer: NodeJS.Timeout | undefined

  /** The commit is in the write-ahead log when this returns, and survives the process. */
  function commit(writes: readonly Write[]): void {
    try {
      begin.run()
      for (const { table, key, value } of writes)
        if (value === undefined) remove.run(table, key)
        else put.run(table, key, value)
      end.run()
    } catch (cause) {
      if (database.isTransaction) database.exec('ROLLBACK')
      throw new WriteError({ cause, path })
    }
    unsynced = true
  }

  /**
   * Resolves when every commit so far is on the disk: what SQLite would do with `synchronous = FULL`, but
   * it would stand still meanwhile.
   */
  function sync(): Promise<void> {
    if (!unsynced) return lastSync
    unsynced = false
    lastSync = disk.sync().catch((cause: unknown) => {
      unsynced = true
      throw new WriteError({ cause, path })
    })
    return lastSync
  }

  function syncSoon(): void {
    timer ??= setTimeout(() => {
      timer = undefined
      // The next write that must be on the disk hears of it.
      sync().catch(() => {})
    }, syncWithinMs).unref()
  }

  return {
    get: async (table, key) => get.get(table, key)?.['value'] as string | undefined,
    async list(table, { prefix = '', after = '', limit = 1000 } = {}) {
      const rows = list.all(table, after, prefix, `${prefix}\u{10ffff}`, limit)
      return rows.map((row) => ({ key: row['key'] as string, value: row['value'] as string }))
    },
    async write(writes, { sync: when = 'now' } = {}) {
      if (writes.length > 0) commit(writes)
      if (when === 'now') await sync()
      else if (unsynced) syncSoon()
    },
    async [Symbol.asyncDispose]() {
      clearTimeout(timer)
      if (!database.isOpen) return
      await sync().catch(() => {})
      disk[Symbol.dispose]()
      database.close()
    },
  }
}

/** How soon a write reaches the disk that does not have to at once. */
const syncWithinMs = 50

function open(path: string): DatabaseSync {
  try {
    const database = new DatabaseSync(path)
    database.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = NORMAL;
      PRAGMA wal_autocheckpoint = 16000;
      PRAGMA busy_timeout = 5000;
      CREATE TABLE IF NOT EXISTS entries (
        tbl TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (tbl, key)
      ) STRICT;
    `)
    return database
  } catch (cause) {
    throw new OpenError({ cause, path })
  }
}

/** Thrown when a store file cannot be opened. */
export class OpenError extends BaseError {
  override readonly code = 'Store.OpenError'

  constructor({ cause, path }: { cause: unknown; path: string }) {
    super('The store could not be opened.', {
      cause,
      metaMessages: [
        `File: ${path}`,
        `Reason: ${cause instanceof Error ? cause.message : String(cause)}`,
        'Fix: check that the folder exists and is writable, or choose another one with --home.',
      ],
    })
  }
}
