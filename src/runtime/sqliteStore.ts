import { DatabaseSync } from 'node:sqlite'
import { BaseError } from './Errors.ts'
import { WriteError, type Store } from './Store.ts'

/**
 * Opens a store in one SQLite file (write-ahead log, synchronised on every write).
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

  return {
    get: async (table, key) => get.get(table, key)?.['value'] as string | undefined,
    async list(table, { prefix = '', after = '', limit = 1000 } = {}) {
      const rows = list.all(table, after, prefix, `${prefix}\u{10ffff}`, limit)
      return rows.map((row) => ({ key: row['key'] as string, value: row['value'] as string }))
    },
    async write(writes) {
      if (writes.length === 0) return
      try {
        database.exec('BEGIN IMMEDIATE')
        for (const { table, key, value } of writes)
          if (value === undefined) remove.run(table, key)
          else put.run(table, key, value)
        database.exec('COMMIT')
      } catch (cause) {
        if (database.isTransaction) database.exec('ROLLBACK')
        throw new WriteError({ cause, path })
      }
    },
    async [Symbol.asyncDispose]() {
      if (database.isOpen) database.close()
    },
  }
}

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
