/** What one buyer knows of a provider's past: weights of good and bad outcomes, as of a moment. */
export type Reputation = {
  readonly good: number
  readonly bad: number
  readonly asOfMs: number
}

/**
 * What can happen with a provider. `refused` is an honest "no" (busy, no capacity); `failed` is work lost
 * or a message that does not check; `invalid` a verdict that the answer was wrong.
 */
export type Outcome = 'delivered' | 'verified' | 'refused' | 'failed' | 'unavailable' | 'invalid'

/** Nothing known yet. */
export const unknown: Reputation = { good: 0, bad: 0, asOfMs: 0 }

/** After this time an outcome counts half. */
export const halfLifeMs = 6 * 3_600_000

const weights: Readonly<Record<Outcome, { readonly good: number; readonly bad: number }>> = {
  delivered: { good: 1, bad: 0 },
  verified: { good: 3, bad: 0 },
  refused: { good: 0, bad: 0.25 },
  failed: { good: 0, bad: 4 },
  unavailable: { good: 0, bad: 4 },
  invalid: { good: 0, bad: 1000 },
}

/** Adds an outcome; what came before has faded since. A clock that goes back fades nothing. */
export function record(reputation: Reputation, outcome: Outcome, nowMs: number): Reputation {
  const { good, bad } = fade(reputation, nowMs)
  const weight = weights[outcome]
  return {
    good: Math.min(limit, good + weight.good),
    bad: Math.min(limit, bad + weight.bad),
    asOfMs: Math.max(reputation.asOfMs, nowMs),
  }
}

/**
 * The chance that the next job goes well, in (0, 1): the mean of a Beta distribution with a prior of two
 * good outcomes and one bad, so a stranger (0.67) stands between who delivers and who fails.
 */
export function score(reputation: Reputation, nowMs: number): number {
  const { good, bad } = fade(reputation, nowMs)
  return (good + 2) / (good + bad + 3)
}

/** Bounds the memory, so that no long past outweighs a turn to the worse. */
const limit = 10_000

function fade({ good, bad, asOfMs }: Reputation, nowMs: number): { good: number; bad: number } {
  const factor = 2 ** (-Math.max(0, nowMs - asOfMs) / halfLifeMs)
  return { good: good * factor, bad: bad * factor }
}
