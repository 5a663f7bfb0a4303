/**
 * Keeps the tables small. Which rows go depends only on what they say (who signed, when), never on when they
 * arrived, so that two explorers that heard the same keep the same. An account that the chain does not know
 * costs nothing to make, so all such strangers together share one small allowance.
 */
import type { Database } from '../openDatabase.ts'
import { deriveJob, deriveMeter } from './derive.ts'

/** How many rows are kept at most. */
export type Limits = {
  /** Of each account that the chain knows, in each table. */
  readonly rowsPerAccount: number
  /** Of all strangers together, in each table. */
  readonly rowsOfStrangers: number
  /** Of all accounts together, in each table. */
  readonly rowsPerTable: number
  /** Days of uptime. */
  readonly presenceDays: number
}

export const defaultLimits: Limits = {
  rowsPerAccount: 50_000,
  rowsOfStrangers: 2_000,
  rowsPerTable: 500_000,
  presenceDays: 1,
}

const facts = [
  { table: 'receipts', account: 'provider', time: 'ended_at', subject: 'job', strangers: true },
  // Only trusted validators' verdicts are written at all; they need no account on the chain.
  { table: 'verdicts', account: 'validator', time: 'checked_at', subject: 'job', strangers: false },
  { table: 'timeline', account: 'account', time: 'at', subject: 'subject_id', strangers: true },
  { table: 'offers', account: 'provider', time: 'issued_at', subject: 'provider', strangers: true },
] as const

type Fact = (typeof facts)[number]

/** So many rows go in one round at most: a round is short, and the next one goes on. */
const roundRows = 1_000

/** Deletes what is over the limits, the oldest first; returns how many rows went. */
export function prune(database: Database, limits: Limits, now: number): number {
  return database.transaction(() => {
    const minute = Math.floor(now / 60_000) - limits.presenceDays * 1440
    let removed = database.run(`DELETE FROM presence WHERE minute < ?`, minute)
    for (const fact of facts) removed += pruneFacts(database, fact, limits)
    removed += database.run(
      `DELETE FROM presence WHERE account <> 'explorer' AND account NOT IN (SELECT provider FROM offers)`,
    )
    database.run(`DELETE FROM models WHERE provider NOT IN (SELECT provider FROM offers)`)
    return removed
  })
}

function pruneFacts(database: Database, fact: Fact, limits: Limits): number {
  const accounts = database.all<{ account: string; rows: number; known: number }>(
    `SELECT f.${fact.account} AS account, count(*) AS rows,
       EXISTS (SELECT 1 FROM accounts a WHERE a.address = f.${fact.account}) AS known
     FROM ${fact.table} f GROUP BY f.${fact.account}`,
  )
  const left = accounts.map(({ account, rows, known }) => {
    const excess = rows - limits.rowsPerAccount
    return { account, known, rows: rows - removeOldest(database, fact, excess, [account]) }
  })
  const strangers = fact.strangers ? left.filter(({ known }) => known === 0) : []
  const names = strangers.map(({ account }) => account)
  const ofStrangers = sum(strangers) - limits.rowsOfStrangers
  const gone = removeOldest(database, fact, ofStrangers, names)
  const rest = sum(left) - gone - limits.rowsPerTable
  return sum(accounts) - sum(left) + gone + removeOldest(database, fact, rest)
}

function sum(accounts: readonly { readonly rows: number }[]): number {
  return accounts.reduce((total, { rows }) => total + rows, 0)
}

/** Deletes `excess` rows, of some accounts or of all, and makes again what was derived from them. */
function removeOldest(
  database: Database,
  { table, account, time, subject }: Fact,
  excess: number,
  of?: readonly string[],
): number {
  if (excess <= 0) return 0
  const rows = database.all<{ row: number; subject: string }>(
    `SELECT rowid AS "row", ${subject} AS subject FROM ${table}
     ${of ? `WHERE ${account} IN (SELECT value FROM json_each(?))` : ''}
     ORDER BY ${time}, ${idOf(table)} DESC LIMIT ?`,
    ...(of ? [JSON.stringify(of)] : []),
    Math.min(excess, roundRows),
  )
  for (const { row } of rows) database.run(`DELETE FROM ${table} WHERE rowid = ?`, row)
  if (table === 'offers') return rows.length
  for (const id of new Set(rows.map((row) => row.subject))) {
    deriveJob(database, id)
    if (table === 'timeline') deriveMeter(database, id)
  }
  return rows.length
}

function idOf(table: Fact['table']): string {
  return table === 'offers' ? 'provider' : 'id'
}
