import type { TrainingOrder } from '../../protocol/training/TrainingOrder.ts'
import { epsilonOf } from '../../training/private/Budget.ts'

/** What the sums of a private run have cost so far, and what they may; no epsilon where there is no noise. */
export function privacyOf(
  { privacy, noiseMicro, rhoMicro, deltaPico }: TrainingOrder,
  { spentRho }: { readonly spentRho: number },
) {
  if (privacy !== 'sums') return null
  if (noiseMicro === 0) return { epsilon: null, budget: null, delta: null }
  const delta = deltaPico / 1e12
  const [epsilon, budget] = [spentRho, rhoMicro / 1e6].map((rho) => epsilonOf(rho, delta)) as [
    number,
    number,
  ]
  return { epsilon, budget, delta }
}

/** The same in words, a line or none. */
export function wordsOf(privacy: ReturnType<typeof privacyOf>): readonly string[] {
  if (!privacy) return []
  const { epsilon, budget, delta } = privacy
  if (epsilon === null) return ['Private: sums without noise, so without differential privacy']
  return [`Private: epsilon ${epsilon.toFixed(3)} of ${budget.toFixed(3)} spent, at delta ${delta}`]
}
