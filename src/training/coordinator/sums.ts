import type { TrainingOrder } from '../../protocol/training/TrainingOrder.ts'
import { noiseOf } from '../private/Budget.ts'
import { showLimit } from '../private/openLedger.ts'
import { type Draft, drop, emptyRound, enter } from './Draft.ts'
import { activeIn } from './State.ts'

/**
 * The sums of private runs. A round goes on without those who are not ready when it closes; who is, is in
 * the sum, and the sum is of all of them or of nobody: what one of them owes cannot be made up for, because
 * its masks are in what the others show.
 */

/** How many workers a sum takes at least; any number will do where everybody's update is seen. */
export function leastIn({ privacy, minWorkers }: TrainingOrder): number {
  return privacy === 'sums' ? minWorkers : 1
}

/** Fixes who is in the sum: who is ready and still there. The batch in which this happens is in all their masks. */
export function beginMasking(draft: Draft): void {
  const there = new Set(activeIn(draft).map(({ number }) => number))
  for (const number of draft.round.ready.keys())
    if (!there.has(number)) draft.round.ready.delete(number)
  enter(draft, 'masking')
}

/**
 * Lets the sum be shown once all its members have bound themselves to their masked vectors. If one does
 * not, nothing has been shown yet, and the round is tried again without it.
 *
 * @returns whether it may be shown.
 */
export function endMasking(draft: Draft): boolean {
  const { round, order, policy } = draft
  const missing = [...round.ready.keys()].filter((number) => !round.commitments.has(number))
  if (missing.length === 0) {
    const { noiseMicro, toleratedMicro } = order
    draft.spentRho += noiseOf({ members: round.ready.size, noiseMicro, toleratedMicro }).rho
    round.shown++
    return true
  }
  const isGone = missing.some((number) => draft.workers[number]!.standing !== 'active')
  if (isGone || draft.now - draft.since >= policy.witnessMs)
    repeatWithout(draft, missing, 'did-not-mask')
  return false
}

/** Tries a round again without some of its workers. */
export function repeatWithout(draft: Draft, numbers: readonly number[], reason: string): void {
  for (const number of numbers)
    if (draft.workers[number]!.standing === 'active') drop(draft, number, reason)
  draft.decisions.push({ kind: 'round-repeated', round: draft.round.number })
  forgetReady(draft)
  enter(draft, activeIn(draft).length < leastIn(draft.order) ? 'gathering' : 'round')
}

/** Takes back what was said of a sum that does not come about. */
export function forgetReady(draft: Draft): void {
  const { number, batch, parent, reports, shown } = draft.round
  draft.round = { ...emptyRound(number, batch), parent, reports, shown }
}

/** Whether another sum of the round may be shown. */
export function mayShowAgain({ round }: Draft): boolean {
  return round.shown < showLimit
}

/** Whether one more sum could cost more than the order allows. Noise is rounded up, so a sum costs this at most. */
export function isSpent({ order, spentRho }: Draft): boolean {
  const { privacy, noiseMicro, rhoMicro } = order
  if (privacy !== 'sums' || noiseMicro === 0) return false
  const mostRho = 1 / (2 * (noiseMicro / 1e6) ** 2)
  return spentRho + mostRho > rhoMicro / 1e6
}
