/** Reads lines of timelines: what parties signed, and what the chain did. */
import type * as Hex from '../../protocol/Hex.ts'
import * as TimelineEvent from '../../protocol/TimelineEvent.ts'
import type * as Api from '../Api.ts'
import type { Database } from '../openDatabase.ts'

/** Whose word counts about a lease or a job. */
export type Parties = {
  readonly buyer: Hex.Address | null
  readonly provider: Hex.Address | null
}

type LineRow = {
  readonly id: Hex.Hex
  readonly at: number
  readonly subject: Api.Line['subject']
  readonly code: string
  readonly detail: string
  readonly account: Hex.Address
  readonly signed: string
}

/**
 * Lines about one subject, oldest first. About a lease, a job or a payment its parties have a say; about
 * an order every provider on the chain does too, because each of them may bid or decline.
 */
export function linesOf(
  database: Database,
  subjects: readonly Api.Line['subject'][],
  id: string,
  parties: Parties,
): readonly Api.Line[] {
  const rows = database.all<LineRow>(
    `SELECT t.id, t.at, t.subject, t.code, t.detail, t.account, t.signed FROM timeline t
     WHERE t.subject_id = ? AND t.subject IN (${subjects.map(() => '?').join(', ')})
       AND (t.account IN (?, ?)
         OR (t.subject = 'order' AND t.account IN (SELECT address FROM accounts WHERE registered = 1)))
     ORDER BY t.at, t.id LIMIT 200`,
    id,
    ...subjects,
    parties.buyer,
    parties.provider,
  )
  return rows.map((row) => ({
    at: row.at,
    subject: row.subject,
    code: row.code,
    detail: row.detail,
    by: row.account,
    role: roleOf(row.account, parties, row.subject),
    transaction: null,
    document: { id: row.id, signed: JSON.parse(row.signed) as unknown },
  }))
}

function roleOf(
  account: Hex.Address,
  parties: Parties,
  subject: Api.Line['subject'],
): Api.Line['role'] {
  if (account === parties.buyer) return 'buyer'
  return account === parties.provider || subject === 'order' ? 'provider' : 'other'
}

type EventRow = {
  readonly block: number
  readonly at: number
  readonly type: string
  readonly transaction: Hex.Hex
  readonly amount: string | null
}

/**
 * What the chain did with a lease, oldest first.
 *
 * @param paidThrough When given, of the claims only the first that reaches this sum, in micro-USD.
 */
export function linesOfChain(
  database: Database,
  lease: string,
  paidThrough: bigint | undefined,
): readonly Api.Line[] {
  const rows = database.all<EventRow>(
    `SELECT block, at, type, transaction_hash AS "transaction", amount FROM chain_events
     WHERE lease = ? ORDER BY block, position LIMIT 2000`,
    lease,
  )
  let claimed = 0n
  return rows
    .filter((row) => {
      if (row.type !== 'claimed' || paidThrough === undefined) return true
      const before = claimed
      claimed += BigInt(row.amount ?? 0)
      return before < paidThrough && claimed >= paidThrough
    })
    .slice(0, 200)
    .map((row) => ({
      at: row.at,
      subject: row.type === 'claimed' ? 'payment' : 'lease',
      code: row.type,
      detail: row.amount ?? '',
      by: null,
      role: 'chain',
      transaction: { hash: row.transaction, block: row.block },
      document: null,
    }))
}

/**
 * Sorts lines by time. The chain counts whole seconds, so a block seems to be up to a second older than
 * what caused it: its lines go right after their cause, and before what they caused.
 */
export function inOrder(lines: readonly Api.Line[]): readonly Api.Line[] {
  const at = (code: string) => lines.find((line) => line.code === code)?.at
  const opened = at('lease-open') ?? Infinity
  const place = (line: Api.Line): number => {
    if (line.code === 'lease-open') return line.at + 0.6
    if (line.code === 'receipt-signed')
      return Math.max(line.at, Math.min(at('job-delivered') ?? 0, line.at + 1000)) + 0.1
    if (line.transaction === null) return line.at
    if (line.code === 'lease-opened')
      return Math.min(opened + 0.5, Math.max(line.at, (at('lease-signed') ?? 0) + 0.4))
    if (line.code === 'claimed') return Math.max(line.at, at('payment-signed') ?? 0) + 0.5
    return line.at + 999
  }
  const cause = ({ code }: Api.Line) => (TimelineEvent.codes as readonly string[]).indexOf(code)
  return lines.toSorted(
    (a, b) =>
      place(a) - place(b) ||
      flow.indexOf(a.subject) - flow.indexOf(b.subject) ||
      cause(a) - cause(b),
  )
}

const flow: readonly Api.Line['subject'][] = [
  'order',
  'lease',
  'job',
  'receipt',
  'verdict',
  'payment',
]
