import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { BaseError } from '../runtime/Errors.ts'
import * as schema from './tables/schema.ts'

/** The tables behind the explorer, in one SQLite file. Everything in them can be made again from the chain and from gossip. */
export type Database = AsyncDisposable & {
  /** Rows of our own STRICT tables, so the caller's row type is what the columns say. */
  all<row>(sql: string, ...values: readonly Value[]): readonly row[]
  get<row>(sql: string, ...values: readonly Value[]): row | undefined
  /** How many rows changed. */
  run(sql: string, ...values: readonly Value[]): number
  /** All of it or nothing. */
  transaction<result>(work: () => result): result
}

export type Value = string | number | null

/**
 * Opens the tables, and makes them when the file is new, of another version or of another network.
 *
 * @param path A file, or `:memory:`.
 * @param network What the tables are about; tables of another network are dropped.
 * @throws {DatabaseError} when the file cannot be opened.
 */
export function openDatabase(path: string, network: string): Database {
  const sqlite = open(path)
  const statements = new Map<string, StatementSync>()
  const prepare = (sql: string): StatementSync => {
    const found = statements.get(sql)
    if (found) return found
    if (statements.size >= statementsLimit) statements.clear()
    const made = sqlite.prepare(sql)
    statements.set(sql, made)
    return made
  }
  const bind = (values: readonly Value[]) => values as SQLInputValue[]

  const database: Database = {
    all: <row>(sql: string, ...values: readonly Value[]) =>
      prepare(sql).all(...bind(values)) as unknown as readonly row[],
    get: <row>(sql: string, ...values: readonly Value[]) =>
      prepare(sql).get(...bind(values)) as unknown as row | undefined,
    run: (sql, ...values) => Number(prepare(sql).run(...bind(values)).changes),
    transaction(work) {
      if (sqlite.isTransaction) return work()
      sqlite.exec('BEGIN IMMEDIATE')
      try {
        const result = work()
        sqlite.exec('COMMIT')
        return result
      } catch (error) {
        if (sqlite.isTransaction) sqlite.exec('ROLLBACK')
        throw error
      }
    },
    async [Symbol.asyncDispose]() {
      if (sqlite.isOpen) sqlite.close()
    },
  }
  prepareTables(sqlite, database, `${schema.version} ${network}`)
  return database
}

const statementsLimit = 500

function open(path: string): DatabaseSync {
  try {
    const sqlite = new DatabaseSync(path)
    sqlite.exec(
      'PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 5000;',
    )
    return sqlite
  } catch (cause) {
    throw new DatabaseError({ cause, path })
  }
}

function prepareTables(sqlite: DatabaseSync, database: Database, owner: string): void {
  sqlite.exec(schema.meta)
  const found = database.get<{ value: string }>(schema.readOwner)?.value
  if (found === owner) return
  database.transaction(() => {
    for (const table of schema.tables) sqlite.exec(`DROP TABLE IF EXISTS ${table}`)
    database.run(schema.clearMeta)
    sqlite.exec(schema.definitions)
    database.run(schema.writeOwner, owner)
  })
}

/** Thrown when the explorer's database cannot be opened. */
export class DatabaseError extends BaseError {
  override readonly code = 'Indexer.DatabaseError'

  constructor({ cause, path }: { cause: unknown; path: string }) {
    super("The explorer's database could not be opened.", {
      cause,
      metaMessages: [
        `File: ${path}`,
        `Reason: ${cause instanceof Error ? cause.message : String(cause)}`,
        'Fix: check the folder, or delete the file: the explorer makes it again from the chain and from gossip.',
      ],
    })
  }
}
