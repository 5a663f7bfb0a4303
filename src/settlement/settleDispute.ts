import type { Action, Chain, DisputeState } from '../chain/Chain.ts'
import type { OurDispute } from './DisputePorts.ts'

/**
 * Sees to the money of a dispute that is over: the winner has the loser slashed and the rest of the bond
 * burned, the claimant takes its bond back once its claim is final.
 *
 * @returns whether all is done.
 */
export async function settleDispute(
  { chain, send }: settleDispute.Ports,
  { dispute, state }: { dispute: OurDispute; state: DisputeState },
): Promise<boolean> {
  const { claim, key, role } = dispute
  if (state.state === 'challenger-won' && role === 'challenger') {
    const { stakeMicroUsd, unbondingMicroUsd } = await chain.registration(claim.claimant)
    if (claim.bond > 0n && stakeMicroUsd + unbondingMicroUsd > 0n)
      await send({ type: 'slash-claimant', claim, challenger: key.challenger })
    const { bondMicroUsd } = await chain.exactClaim(claim)
    if (bondMicroUsd > 0n) await send({ type: 'burn-bond', claim: key.claim })
    return true
  }
  if (state.state === 'claimant-won' && role === 'claimant') {
    const known = await chain.exactClaim(claim)
    if (known.state === 'rejected') return true
    if (known.open > 0 || known.state !== 'final') return false
    // Of several disputes about one claim the first to come here releases it.
    await send({ type: 'release-claim', claim })
  }
  return true
}

export declare namespace settleDispute {
  type Ports = {
    chain: Pick<Chain, 'registration' | 'exactClaim'>
    /** Resolves to false when the chain refused: then somebody else was faster. */
    send: (action: Action) => Promise<boolean>
  }
}
