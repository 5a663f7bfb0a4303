import { DatabaseSync } from 'node:sqlite'
import { BaseError } from './Errors.ts'
import { WriteError, type Store, type Write, type WriteOptions } from './Store.ts'

/**
 * Opens a store in one SQLite file (write-ahead log, synchronised on every write unless it says `soon`).
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
  const remove = database.prepare('DELETE FROM entries WHERE tbl = ? AND key = ?')
  // A transaction that changes nothing writes nothing, and so reaches the disk with nothing.
  const touch = database.prepare('UPDATE syncs SET count = count + 1')
  let mode: 'now' | 'soon' = 'now'
  let unsynced = false
  let timer: NodeJS.Timeout | undefined

  const setMode = (next: 'now' | 'soon') => {
    if (mode !== next) database.exec(`PRAGMA synchronous = ${next === 'now' ? 'FULL' : 'NORMAL'}`)
    mode = next
  }
  const syncSoon = () => {
    unsynced = true
    timer ??= setTimeout(() => {
      timer = undefined
      // The next write that must be on the disk tries again.
      if (unsynced && database.isOpen) void write([], {}).catch(() => {})
    }, syncWithinMs).unref()
  }

  async function write(writes: readonly Write[], { sync = 'now' }: WriteOptions): Promise<void> {
    if (writes.length === 0 && (sync === 'soon' || !unsynced)) return
    try {
      setMode(sync)
      database.exec('BEGIN IMMEDIATE')
      if (writes.length === 0) touch.run()
      for (const { table, key, value } of writes)
        if (value === undefined) remove.run(table, key)
        else put.run(table, key, value)
      database.exec('COMMIT')
    } catch (cause) {
      if (database.isTransaction) database.exec('ROLLBACK')
      throw new WriteError({ cause, path })
    }
    if (sync === 'soon') syncSoon()
    else unsynced = false
  }

  return {
    get: async (table, key) => get.get(table, key)?.['value'] as string | undefined,
    async list(table, { prefix = '', after = '', limit = 1000 } = {}) {
      const rows = list.all(table, after, prefix, `${prefix}\u{10ffff}`, limit)
      return rows.map((row) => ({ key: row['key'] as string, value: row['value'] as string }))
    },
    write: (writes, options = {}) => write(writes, options),
    async [Symbol.asyncDispose]() {
      clearTimeout(timer)
      if (!database.isOpen) return
      await write([], {}).catch(() => {})
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
      PRAGMA synchronous = FULL;
      PRAGMA busy_timeout = 5000;
      CREATE TABLE IF NOT EXISTS entries (
        tbl TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (tbl, key)
      ) STRICT, WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS syncs (count INTEGER NOT NULL) STRICT;
      INSERT INTO syncs SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM syncs);
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
