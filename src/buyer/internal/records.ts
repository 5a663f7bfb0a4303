import type { Buyer, JobRecord } from '../Buyer.ts'
import { signedMicroUsd, tierOf, type Held } from './held.ts'
import type { JobRow } from './rows.ts'

/** What callers see of a job. A claim that nobody has challenged in its time is final. */
export function recordOf(row: JobRow | undefined, nowMs: number): JobRecord | undefined {
  if (!row) return undefined
  const { receipt: _receipt, deliveredAt: _deliveredAt, claim, ...record } = row
  if (!claim) return record
  const { bond: bondMicroUsd, challengeUntil: challengeUntilSeconds } = claim.message
  const claimed = { ...record, claim: { bondMicroUsd, challengeUntilSeconds } }
  const isOver = nowMs > challengeUntilSeconds * 1000
  if (row.state !== 'paid' || row.assurance.state !== 'pending' || !isOver) return claimed
  return { ...claimed, assurance: { ...row.assurance, state: 'final' } }
}

/** What callers see of a lease. */
export function leaseRecord(held: Held): ReturnType<Buyer['leases']>[number] {
  const { message } = held.lease
  return {
    lease: held.id,
    provider: message.provider,
    model: held.bid.message.model,
    tier: tierOf(held),
    state: held.state === 'signed' ? 'open' : held.state,
    totalMicroUsd: message.totalMicroUsd,
    signedMicroUsd: signedMicroUsd(held),
    expirySeconds: message.expirySeconds,
  }
}
