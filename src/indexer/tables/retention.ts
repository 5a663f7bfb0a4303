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

const known = '(a.address IS NOT NULL)'

const facts = [
  { table: 'receipts', account: 'provider', time: 'ended_at', subject: 'job', known },
  // Only trusted validators' verdicts are written at all; they need no account on the chain.
  { table: 'verdicts', account: 'validator', time: 'checked_at', subject: 'job', known: '1' },
  { table: 'timeline', account: 'account', time: 'at', subject: 'subject_id', known },
  { table: 'offers', account: 'provider', time: 'issued_at', subject: 'provider', known },
] as const

/** Deletes what is over the limits; returns how many rows went. */
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

function pruneFacts(
  database: Database,
  { table, account, time, subject, known }: (typeof facts)[number],
  limits: Limits,
): number {
  const rows = database.all<{ row: number; subject: string }>(
    `SELECT "row", subject FROM (
       SELECT f.rowid AS "row", f.${subject} AS subject, ${known} AS known,
         row_number() OVER (PARTITION BY f.${account} ORDER BY f.${time} DESC, f.id) AS of_account,
         row_number() OVER (PARTITION BY ${known} ORDER BY f.${time} DESC, f.id) AS of_kind,
         row_number() OVER (ORDER BY ${known} DESC, f.${time} DESC, f.id) AS of_all
       FROM ${table} f LEFT JOIN accounts a ON a.address = f.${account}
     ) WHERE of_account > ? OR (known = 0 AND of_kind > ?) OR of_all > ?`,
    limits.rowsPerAccount,
    limits.rowsOfStrangers,
    limits.rowsPerTable,
  )
  for (const { row } of rows) database.run(`DELETE FROM ${table} WHERE rowid = ?`, row)
  if (table === 'offers') return rows.length
  for (const id of new Set(rows.map((row) => row.subject))) {
    deriveJob(database, id)
    if (table === 'timeline') deriveMeter(database, id)
  }
  return rows.length
}
