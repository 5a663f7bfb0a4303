import type * as Bid from '../protocol/Bid.ts'
import type * as Completion from '../protocol/Completion.ts'
import type * as Domain from '../protocol/Domain.ts'
import * as ExactClaim from '../protocol/ExactClaim.ts'
import type { Reason } from '../protocol/Exchange.ts'
import * as Hex from '../protocol/Hex.ts'
import type { Signed } from '../protocol/SignedMessage.ts'
import { messageOf } from '../runtime/Errors.ts'

/**
 * Says why a claim is not the one that is owed for an answer of tier `exact`; undefined when it is, as far as
 * a buyer can see: who answers for which job, with how much, for how long, from which seed, over how many
 * steps. Whether graph, start, end and run are those of the model and of this answer, only who has the
 * weights and computes it again can say (`verification/`); `unchecked` names them.
 */
export function checkClaim(
  signed: Signed<ExactClaim.ExactClaim> | undefined,
  facts: checkClaim.Facts,
): Reason | undefined {
  const { domain, bid, jobId, request, usage, finishReason, nowMs } = facts
  if (!signed)
    return {
      code: 'Claim.Missing',
      message:
        'The lease is of tier exact, and nobody answers for this answer: it came without a claim.',
    }
  const { message: claim } = signed
  if (claim.claimant !== bid.provider) return differs('Claimant', claim.claimant, bid.provider)
  try {
    ExactClaim.verify(domain, signed)
  } catch (error) {
    return { code: 'Claim.NotSigned', message: messageOf(error) }
  }
  const equal: readonly (readonly [string, unknown, unknown])[] = [
    ['Job', claim.job, jobId],
    ['Data', claim.data, Hex.zero],
    ['Seed', claim.seed0, request.seed],
    ['Seed', claim.seed1, 0],
    ['Worker', claim.worker, 0],
  ]
  const unequal = equal.find(([, found, wanted]) => found !== wanted)
  if (unequal) return differs(...unequal)
  const { least, most } = ExactClaim.stepsOfCompletion(usage, finishReason)
  if (claim.steps < Math.max(1, least) || claim.steps > most)
    return differs('Steps', claim.steps, least === most ? most : `${least} or ${most}`)
  const { minBondMicroUsd, minChallengeWindowMs } = facts
  if (claim.bond < minBondMicroUsd)
    return {
      code: 'Claim.BondTooSmall',
      message: `The bond is ${claim.bond} micro-USD; ${minBondMicroUsd} are wanted.`,
    }
  if (claim.challengeUntil * 1000 < nowMs + minChallengeWindowMs)
    return {
      code: 'Claim.WindowTooShort',
      message: `It can be challenged until ${claim.challengeUntil} s; ${minChallengeWindowMs} ms are wanted.`,
    }
  return undefined
}

export declare namespace checkClaim {
  type Facts = {
    readonly domain: Domain.Domain
    /** The terms of the lease. */
    readonly bid: Pick<Bid.Bid, 'provider'>
    readonly jobId: Hex.Hex
    readonly request: Pick<Completion.Request, 'seed'>
    /** What the receipt counts, and how the answer ended. */
    readonly usage: Completion.Usage
    readonly finishReason: Completion.FinishReason
    readonly minBondMicroUsd: bigint
    /** What must be left of the window. */
    readonly minChallengeWindowMs: number
    readonly nowMs: number
  }
}

/** What of a claim a buyer takes on trust until a validator speaks or nobody has challenged it in time. */
export const unchecked = ['graph', 'graphCid', 'start', 'end', 'run'] as const

function differs(what: string, found: unknown, wanted: unknown): Reason {
  return {
    code: `Claim.${what}Differs`,
    message: `The claim says ${String(found).slice(0, 200)}; it should say ${String(wanted).slice(0, 200)}.`,
  }
}
