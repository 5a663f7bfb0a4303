import type { Buyer, JobRecord } from '../Buyer.ts'
import { signedMicroUsd, tierOf, type Held } from './held.ts'
import type { JobRow } from './rows.ts'

/** What callers see of a job. */
export function recordOf(row: JobRow | undefined): JobRecord | undefined {
  if (!row) return undefined
  const { receipt: _receipt, deliveredAt: _deliveredAt, ...record } = row
  return record
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
