/**
 * Makes the rows of `jobs`, and what leases take from gossip, out of the facts. Each is computed from all
 * facts about it every time one arrives, so the order of arrival leaves no trace. A line or a receipt counts
 * only when a party to the lease on the chain signed it.
 */
import * as Hex from '../../protocol/Hex.ts'
import type { Job, Lease } from '../Api.ts'
import type { Database } from '../openDatabase.ts'
import { tally } from './tallies.ts'

/** Makes a job's row again, and counts it anew. */
export function deriveJob(database: Database, id: string): void {
  tally(database, id, -1)
  writeJob(database, id)
  tally(database, id, 1)
}

function writeJob(database: Database, id: string): void {
  const receipt = readReceipt(database, id)
  const parties = receipt ?? readParties(database, id)
  if (!parties) {
    database.run(`DELETE FROM jobs WHERE id = ?`, id)
    return
  }
  const lines = database.all<Line>(
    `SELECT code, account, at FROM timeline
     WHERE subject_id = ? AND subject IN ('job', 'payment') AND account IN (?, ?) ORDER BY at, id`,
    id,
    parties.buyer,
    parties.provider,
  )
  const verdict = receipt && readVerdict(database, id, receipt.id)
  const payment = paymentOf(lines.filter((line) => line.account === parties.buyer))
  const state = receipt ? 'delivered' : stateOf(lines)
  const last = lines.at(-1)?.at ?? 0
  database.run(
    `INSERT OR REPLACE INTO jobs
       (id, at, lease, provider, buyer, model, tier, state, probe, outcome, method, reason,
        payment, paid_at, price, input_tokens, output_tokens, started_at, ended_at, receipt, on_chain)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    id,
    receipt?.endedAt ?? last,
    parties.lease,
    parties.provider,
    parties.buyer,
    receipt?.model ?? null,
    receipt?.tier ?? null,
    state,
    receipt?.readyAt === 0 ? 1 : 0,
    verdict?.outcome ?? null,
    verdict?.method ?? null,
    verdict?.reason ?? (state === 'failed' || state === 'cancelled' ? `job-${state}` : null),
    payment.state,
    payment.at,
    receipt?.price ?? 0,
    receipt?.inputTokens ?? 0,
    receipt?.outputTokens ?? 0,
    receipt?.startedAt ?? lines.find((line) => line.code === 'job-start')?.at ?? null,
    receipt?.endedAt ?? null,
    receipt?.id ?? null,
    parties.onChain,
  )
}

/** Makes the rows of every job that names the lease. */
export function deriveJobsOfLease(database: Database, lease: string): void {
  const rows = database.all<{ job: string }>(
    `SELECT job FROM receipts WHERE lease = ?
     UNION SELECT subject_id FROM timeline WHERE parent = ? AND subject IN ('job', 'payment')
     UNION SELECT id FROM jobs WHERE lease = ?`,
    lease,
    lease,
    lease,
  )
  for (const { job } of rows) deriveJob(database, job)
}

/** Makes a lease's order and meter again, from what its parties said. */
export function deriveMeter(database: Database, lease: string): void {
  const lines = database.all<{ code: string; parent: string }>(
    `SELECT t.code, t.parent FROM timeline t JOIN leases l ON l.id = t.subject_id
     WHERE t.subject_id = ? AND t.subject = 'lease' AND t.account IN (l.buyer, l.provider)
     ORDER BY t.at, t.id`,
    lease,
  )
  const meter = lines.findLast((line) => line.code in meters)
  database.run(
    `UPDATE leases SET order_id = ?, meter = ? WHERE id = ?`,
    lines.find((line) => line.parent !== Hex.zero)?.parent ?? null,
    meter ? meters[meter.code]! : 'open',
    lease,
  )
}

const meters: Readonly<Record<string, Lease['state']>> = {
  'lease-open': 'open',
  'lease-ready': 'ready',
  'lease-paused': 'paused',
  'lease-closing': 'closing',
  'lease-settled': 'closing',
}

type Line = { readonly code: string; readonly account: string; readonly at: number }

type Parties = {
  readonly lease: string
  readonly buyer: string
  readonly provider: string
  readonly onChain: 0 | 1
}

type Receipt = Parties & {
  readonly id: string
  readonly model: string
  readonly tier: string
  readonly price: number
  readonly inputTokens: number
  readonly outputTokens: number
  readonly readyAt: number
  readonly startedAt: number
  readonly endedAt: number
}

/** Of several receipts for one job, the one that fits a lease on the chain counts; then the earliest. */
function readReceipt(database: Database, job: string): Receipt | undefined {
  return database.get<Receipt>(
    `SELECT r.id, r.lease, r.buyer, r.provider, r.model, r.tier, r.price, l.id IS NOT NULL AS onChain,
       r.input_tokens AS inputTokens, r.output_tokens AS outputTokens, r.ready_at AS readyAt,
       r.started_at AS startedAt, r.ended_at AS endedAt
     FROM receipts r
     LEFT JOIN leases l ON l.id = r.lease AND l.provider = r.provider AND l.buyer = r.buyer
     WHERE r.job = ? ORDER BY onChain DESC, r.ended_at, r.id LIMIT 1`,
    job,
  )
}

/** Without a receipt: the parties of the lease that one of them says the job belongs to. */
function readParties(database: Database, job: string): Parties | undefined {
  return database.get<Parties>(
    `SELECT l.id AS lease, l.buyer, l.provider, 1 AS onChain
     FROM timeline t JOIN leases l ON l.id = t.parent AND t.account IN (l.buyer, l.provider)
     WHERE t.subject_id = ? AND t.subject = 'job' ORDER BY t.at, t.id LIMIT 1`,
    job,
  )
}

/** One finding of fraud outweighs any number of others; a finding outweighs none. */
function readVerdict(
  database: Database,
  job: string,
  receipt: string,
): { outcome: string; method: string; reason: string } | undefined {
  return database.get(
    `SELECT outcome, method, reason FROM verdicts WHERE job = ? AND receipt = ?
     ORDER BY CASE outcome WHEN 'invalid' THEN 0 WHEN 'valid' THEN 1 ELSE 2 END, checked_at, id LIMIT 1`,
    job,
    receipt,
  )
}

function stateOf(lines: readonly Line[]): Job['state'] {
  const last = lines.findLast((line) => line.code in states)
  return last ? states[last.code]! : 'running'
}

const states: Readonly<Record<string, Job['state']>> = {
  'job-start': 'running',
  'job-delivered': 'delivered',
  'job-failed': 'failed',
  'job-cancelled': 'cancelled',
}

function paymentOf(lines: readonly Line[]): { state: Job['payment']; at: number | null } {
  const last = lines.findLast((line) => line.code in payments)
  return last ? { state: payments[last.code]!, at: last.at } : { state: 'none', at: null }
}

const payments: Readonly<Record<string, Job['payment']>> = {
  'payment-signed': 'signed',
  'payment-withheld': 'withheld',
  'job-refunded': 'withheld',
}
