import type { Chain, LeaseState } from '../../chain/Chain.ts'
import type * as Hex from '../../protocol/Hex.ts'
import type * as Lease from '../../protocol/Lease.ts'

/** The lease by which a worker of a run is paid now, and what it got by earlier ones. */
export type RunLease = {
  readonly key: Lease.Key
  readonly state: LeaseState
  /** Claimed in leases of the run that are over: nothing more can be claimed in them. */
  readonly settledMicroUsd: bigint
  /** A lease that has expired, and that nobody has closed yet. */
  readonly expired: Lease.Key | undefined
}

/** Leases that follow one another between a buyer and a worker of a run. */
const generations = 256

/**
 * Finds the lease of a worker. Its nonce follows from the run, so that whoever has the log and the chain knows it:
 * 52 bits of the run's id, then the number of leases before it that expired or were closed.
 */
export async function leaseOf(
  chain: Pick<Chain, 'head' | 'lease'>,
  { run, buyer, worker }: { run: Hex.Hex; buyer: Hex.Address; worker: Hex.Address },
): Promise<RunLease> {
  const { timestampSeconds } = await chain.head()
  let settledMicroUsd = 0n
  let expired: Lease.Key | undefined
  for (let generation = 0; ; generation++) {
    const nonce = (BigInt(run.slice(0, 15)) << 8n) + BigInt(generation)
    const key = { buyer, provider: worker, nonce }
    const state = await chain.lease(key)
    const isExpired = state.state === 'open' && timestampSeconds >= state.expirySeconds
    if ((state.state !== 'closed' && !isExpired) || generation === generations - 1)
      return { key, state, settledMicroUsd, expired }
    settledMicroUsd += state.claimedMicroUsd
    if (isExpired) expired = key
  }
}
