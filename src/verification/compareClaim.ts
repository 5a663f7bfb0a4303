import type { ExactRun } from '../engine/Engine.ts'
import type * as Domain from '../protocol/Domain.ts'
import * as ExactClaim from '../protocol/ExactClaim.ts'
import type { Reason } from '../protocol/Exchange.ts'
import type * as Receipt from '../protocol/Receipt.ts'
import type { Signed } from '../protocol/SignedMessage.ts'
import { messageOf } from '../runtime/Errors.ts'

/**
 * Says why what a provider handed out is no claim about the job of its receipt; undefined when it is one.
 * Whether it is true, `compareClaim` says.
 */
export function checkClaim(
  domain: Domain.Domain,
  { provider, job }: Pick<Receipt.Receipt, 'provider' | 'job'>,
  signed: Signed<ExactClaim.ExactClaim> | undefined,
): Reason | undefined {
  if (!signed) return { code: 'Exact.ClaimMissing', message: 'Nobody answers for the run.' }
  const { message: claim } = signed
  if (claim.claimant !== provider)
    return { code: 'Exact.ClaimantDiffers', message: `${claim.claimant} instead of ${provider}` }
  if (claim.job !== job)
    return { code: 'Exact.JobDiffers', message: `${claim.job} instead of ${job}` }
  try {
    ExactClaim.verify(domain, signed)
    return undefined
  } catch (error) {
    return { code: 'Exact.ClaimNotSigned', message: messageOf(error) }
  }
}

/** What a comparison of a claim with our own run found. */
export type ClaimFinding = {
  /** Why it is not the claim that is owed; undefined when it is. */
  readonly reason: string | undefined
  /** Whether the claim itself is false: who says so can prove it to the chain. */
  readonly isFalse: boolean
}

/**
 * Compares a claim with our own run of the request. A claim about another graph or another beginning may be
 * true, and yet it is not about the model that was sold. One from the same beginning with another run is false.
 *
 * @param own our run, for as many steps as our answer took.
 * @param asLong our run for as many steps as the claim says; undefined when those are more than the request allows.
 */
export function compareClaim(
  claim: ExactClaim.ExactClaim,
  own: ExactRun,
  asLong: ExactRun | undefined,
): ClaimFinding {
  const other = (reason: string): ClaimFinding => ({ reason, isFalse: false })
  if (claim.graph !== own.graph || claim.graphCid !== own.graphCid)
    return other('Exact.GraphDiffers')
  if (claim.start !== own.start) return other('Exact.StartDiffers')
  if (claim.data !== own.data) return other('Exact.DataDiffers')
  if (claim.seed0 !== own.seed[0] || claim.seed1 !== own.seed[1] || claim.worker !== 0)
    return other('Exact.SeedDiffers')
  if (!asLong) return other('Exact.StepsDiffer')
  if (claim.run !== asLong.run) return { reason: 'Exact.RunDiffers', isFalse: true }
  if (claim.end !== asLong.end) return { reason: 'Exact.EndDiffers', isFalse: true }
  return claim.steps === own.steps
    ? { reason: undefined, isFalse: false }
    : other('Exact.StepsDiffer')
}
