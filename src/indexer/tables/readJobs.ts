/** Reads jobs, leases and orders as the API shows them. */
import type * as Assurance from '../../protocol/Assurance.ts'
import * as Hex from '../../protocol/Hex.ts'
import type * as Api from '../Api.ts'
import type { Database } from '../openDatabase.ts'
import { readDisputes } from './readDisputes.ts'
import { conditions, pageOf, splitBefore } from './pages.ts'
import { inOrder, linesOf, linesOfChain, type Parties } from './readLines.ts'

/** Jobs whose lease is on the chain, newest first. */
export function readJobs(database: Database, query: Api.JobsQuery): Api.Page<Api.Job> {
  const where = conditions([
    // The `+` keeps these two from choosing the index when a rarer property is asked for.
    [query.show ? '+on_chain = 1' : 'on_chain = 1', []],
    query.probes === '1' ? undefined : [query.show ? '+probe = 0' : 'probe = 0', []],
    query.provider ? ['provider = ?', [query.provider]] : undefined,
    query.buyer ? ['buyer = ?', [query.buyer]] : undefined,
    query.lease ? ['lease = ?', [query.lease]] : undefined,
    query.show ? [shown[query.show], []] : undefined,
    query.before ? ['(at, id) < (?, ?)', splitBefore(query.before)] : undefined,
  ])
  const rows = database.all<JobRow>(
    `SELECT * FROM jobs WHERE ${where.sql} ORDER BY at DESC, id DESC LIMIT ?`,
    ...where.values,
    query.limit + 1,
  )
  return pageOf(rows.map(toJob), query.limit, (job) => `${job.at}-${job.id}`)
}

const shown: Readonly<Record<NonNullable<Api.JobsQuery['show']>, string>> = {
  verified: `outcome = 'valid'`,
  rejected: `outcome = 'invalid'`,
  pending: `outcome IS NULL AND state = 'delivered' AND tier <> 'unverified' AND payment = 'none'`,
  failed: `state IN ('failed', 'cancelled')`,
  running: `state = 'running'`,
}

/** A job and all that is known of it; undefined when nothing is. */
export function readJob(database: Database, id: string): Api.JobDetail | undefined {
  const row = database.get<JobRow & { paid_at: number | null }>(
    `SELECT * FROM jobs WHERE id = ?`,
    id,
  )
  if (!row) return undefined
  const lease = row.lease === null ? undefined : readLease(database, row.lease)
  const receipt = row.receipt && document(database, 'receipts', row.receipt)
  const parties: Parties = { buyer: row.buyer, provider: row.provider }
  const paidThrough = lease && row.paid_at !== null ? readPaidThrough(database, row) : undefined
  const chain = lease ? linesOfChain(database, lease.id, paidThrough) : []
  const verdicts = verdictsOf(database, id)
  const lines = [
    ...(lease?.order ? linesOf(database, ['order'], lease.order, parties) : []),
    ...(lease ? linesOf(database, ['lease'], lease.id, parties) : []),
    ...linesOf(database, ['job', 'payment'], id, parties),
    ...(receipt ? [receiptLine(row, receipt)] : []),
    ...verdicts.map(verdictLine),
    ...chain,
  ]
  return {
    job: toJob(row),
    order: lease?.order ?? null,
    lease: lease ?? null,
    receipt: receipt || null,
    verdicts: verdicts.map((verdict) => verdict.document),
    timeline: inOrder(lines),
    claimed: chain.some((line) => line.code === 'claimed'),
    disputes: readDisputes(database, { limit: 20, job: id }).rows,
  }
}

/** The receipt of a job, as its provider signed it. */
export function readReceipt(database: Database, job: string): Api.SignedDocument | undefined {
  const row = database.get<{ receipt: string | null }>(`SELECT receipt FROM jobs WHERE id = ?`, job)
  return row?.receipt ? document(database, 'receipts', row.receipt) : undefined
}

/** Vouchers are cumulative: the amount that a lease's claims must reach to cover a job. */
function readPaidThrough(database: Database, job: JobRow & { paid_at: number | null }): bigint {
  const row = database.get<{ sum: number | null }>(
    `SELECT sum(price) AS sum FROM jobs
     WHERE lease = ? AND payment = 'signed' AND (paid_at, id) <= (?, ?)`,
    job.lease,
    job.paid_at,
    job.id,
  )
  return BigInt(row?.sum ?? 0)
}

function receiptLine(row: JobRow, receipt: Api.SignedDocument): Api.Line {
  return {
    at: row.ended_at ?? row.at,
    subject: 'receipt',
    code: 'receipt-signed',
    detail: '',
    by: row.provider,
    role: 'provider',
    transaction: null,
    document: receipt,
  }
}

type VerdictRow = {
  readonly outcome: string
  readonly method: string
  readonly reason: string
  readonly validator: Hex.Address
  readonly at: number
  readonly document: Api.SignedDocument
}

function verdictLine(verdict: VerdictRow): Api.Line {
  return {
    at: verdict.at,
    subject: 'verdict',
    code: `verdict-${verdict.outcome}`,
    detail: verdict.reason,
    by: verdict.validator,
    role: 'validator',
    transaction: null,
    document: verdict.document,
  }
}

function verdictsOf(database: Database, job: string): readonly VerdictRow[] {
  return database
    .all<Omit<VerdictRow, 'document'> & { id: Hex.Hex; signed: string }>(
      `SELECT v.id, v.outcome, v.method, v.reason, v.validator, v.checked_at AS at, v.signed
       FROM verdicts v JOIN jobs j ON j.id = v.job AND j.receipt = v.receipt
       WHERE v.job = ? ORDER BY v.checked_at, v.id LIMIT 50`,
      job,
    )
    .map(({ id, signed, ...row }) => ({ ...row, document: { id, signed: JSON.parse(signed) } }))
}

function document(
  database: Database,
  table: 'receipts',
  id: string,
): Api.SignedDocument | undefined {
  const row = database.get<{ signed: string }>(`SELECT signed FROM ${table} WHERE id = ?`, id)
  return row && { id: id as Hex.Hex, signed: JSON.parse(row.signed) as unknown }
}

/** Leases, newest first. */
export function readLeases(database: Database, query: Api.LeasesQuery): Api.Page<Api.Lease> {
  const where = conditions([
    ['1 = 1', []],
    query.provider ? ['provider = ?', [query.provider]] : undefined,
    query.buyer ? ['buyer = ?', [query.buyer]] : undefined,
    query.show ? [`closed_at IS ${query.show === 'open' ? '' : 'NOT '}NULL`, []] : undefined,
    query.before ? ['(opened_at, id) < (?, ?)', splitBefore(query.before)] : undefined,
  ])
  const rows = database.all<LeaseRow>(
    `SELECT leases.*, ${jobsOfLease} FROM leases
     WHERE ${where.sql} ORDER BY opened_at DESC, id DESC LIMIT ?`,
    ...where.values,
    query.limit + 1,
  )
  return pageOf(rows.map(toLease), query.limit, (lease) => `${lease.openedAt}-${lease.id}`)
}

const jobsOfLease = `(SELECT count(*) FROM jobs WHERE jobs.lease = leases.id AND probe = 0) AS jobs`

function readLease(database: Database, id: string): Api.Lease | undefined {
  const row = database.get<LeaseRow>(`SELECT leases.*, ${jobsOfLease} FROM leases WHERE id = ?`, id)
  return row && toLease(row)
}

export function readLeaseDetail(database: Database, id: string): Api.LeaseDetail | undefined {
  const lease = readLease(database, id)
  if (!lease) return undefined
  const timeline = [
    ...(lease.order ? linesOf(database, ['order'], lease.order, lease) : []),
    ...linesOf(database, ['lease', 'payment'], id, lease),
    ...linesOfChain(database, id, undefined),
  ]
  return {
    lease,
    jobs: readJobs(database, { limit: 50, lease: id, probes: '1' }).rows,
    timeline: inOrder(timeline),
  }
}

/** An order is known only by its lines; whoever wrote `order-created` is its buyer. */
export function readOrder(database: Database, id: string): Api.OrderDetail | undefined {
  const buyer = database.get<{ account: Hex.Address }>(
    `SELECT t.account FROM timeline t JOIN accounts a ON a.address = t.account
     WHERE t.subject_id = ? AND t.subject = 'order' AND t.code = 'order-created'
     ORDER BY t.at, t.id LIMIT 1`,
    id,
  )?.account
  if (!buyer) return undefined
  const leases = database.all<LeaseRow>(
    `SELECT leases.*, ${jobsOfLease} FROM leases WHERE order_id = ? AND buyer = ?
     ORDER BY opened_at, id LIMIT 50`,
    id,
    buyer,
  )
  const timeline = linesOf(database, ['order'], id, { buyer, provider: null })
  return { id: id as Hex.Hex, timeline, leases: leases.map(toLease) }
}

type JobRow = {
  readonly id: Hex.Hex
  readonly at: number
  readonly lease: Hex.Hex | null
  readonly provider: Hex.Address | null
  readonly buyer: Hex.Address | null
  readonly model: string | null
  readonly tier: Assurance.Tier | null
  readonly state: Api.Job['state']
  readonly probe: number
  readonly outcome: Api.Job['check']
  readonly method: string | null
  readonly reason: string | null
  readonly payment: Api.Job['payment']
  readonly price: number
  readonly input_tokens: number
  readonly output_tokens: number
  readonly started_at: number | null
  readonly ended_at: number | null
  readonly receipt: Hex.Hex | null
}

function toJob(row: JobRow): Api.Job {
  return {
    id: row.id,
    at: row.at,
    lease: row.lease,
    provider: row.provider,
    buyer: row.buyer,
    model: row.model,
    state: row.state,
    probe: row.probe === 1,
    assurance: assuranceOf(row),
    check: row.outcome,
    reason: row.reason,
    payment: row.payment,
    price: String(row.price),
    inputTokens: row.input_tokens,
    outputTokens: row.output_tokens,
    startedAt: row.started_at,
    endedAt: row.ended_at,
    receipt: row.receipt,
  }
}

/**
 * The tier is what the receipt promises; the state is what a trusted validator found, and nothing else.
 * A job that was paid without a verdict is `final`: nobody waits for one any more.
 */
export function assuranceOf(row: {
  readonly tier: string | null
  readonly outcome: Api.Job['check']
  readonly method: string | null
  readonly payment: Api.Job['payment']
}): Assurance.Assurance | null {
  if (row.tier === null) return null
  const tier = row.tier as Assurance.Tier
  const method = row.method ?? undefined
  if (row.outcome === 'valid') return { tier, state: 'verified', method }
  if (row.outcome === 'invalid') return { tier, state: 'challenged', method }
  const settled = tier === 'unverified' || row.payment === 'signed'
  return { tier, state: settled ? 'final' : 'pending' }
}

type LeaseRow = {
  readonly id: Hex.Hex
  readonly order_id: Hex.Hex | null
  readonly buyer: Hex.Address
  readonly provider: Hex.Address
  readonly total: string
  readonly claimed: string
  readonly refunded: string
  readonly opened_at: number
  readonly expires_at: number
  readonly closed_at: number | null
  readonly meter: Api.Lease['state']
  readonly jobs: number
}

function toLease(row: LeaseRow): Api.Lease {
  return {
    id: row.id,
    order: row.order_id,
    buyer: row.buyer,
    provider: row.provider,
    total: row.total,
    claimed: row.claimed,
    refunded: row.refunded,
    openedAt: row.opened_at,
    expiresAt: row.expires_at,
    closedAt: row.closed_at,
    state: row.closed_at === null ? row.meter : 'settled',
    jobs: row.jobs,
  }
}
