import type { ExactRun } from '../engine/Engine.ts'
import * as ExactClaim from '../protocol/ExactClaim.ts'
import type * as Hex from '../protocol/Hex.ts'
import type { Signed } from '../protocol/SignedMessage.ts'
import type { Context } from './Context.ts'
import { RefusedError } from './RefusedError.ts'

/**
 * Signs what a job's run is and came to, with the bond that answers for it. Its window begins now.
 *
 * @throws {RefusedError} with `Provider.EngineFaultError` when the engine did not say which run it was.
 */
export function signClaim(
  { chain, identity, clock, settings }: Pick<Context, 'chain' | 'identity' | 'clock' | 'settings'>,
  job: Hex.Hex,
  exact: ExactRun | undefined,
): { readonly id: Hex.Hex; readonly claim: Signed<ExactClaim.ExactClaim> } {
  if (!exact)
    throw new RefusedError(
      'Provider.EngineFaultError',
      'The engine did not say which run made its answer, so that nobody can answer for it. Nothing is charged.',
    )
  const { seed, ...run } = exact
  const message: ExactClaim.ExactClaim = {
    ...run,
    claimant: identity.address,
    job,
    seed0: seed[0],
    seed1: seed[1],
    worker: 0,
    bond: settings.exactBondMicroUsd,
    challengeUntil: Math.ceil((clock.now() + settings.challengeWindowMs) / 1000),
  }
  const claim = ExactClaim.sign(chain.domain, message, identity)
  return { id: ExactClaim.hash(chain.domain, message), claim }
}
