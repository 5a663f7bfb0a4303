import type { TrainingOrder } from '../../protocol/training/TrainingOrder.ts'
import { type Draft, update } from './Draft.ts'
import type { Held } from './State.ts'

/**
 * Rounds for which a contribution is held after its own: as many as bring four audits of a worker that goes on, 64 at most.
 * By then one that lies in each was drawn with a probability of over 1 - e^-4 = 0.98; below a share of a sixteenth, where
 * the limit cuts, with 1 - (1 - share)^65. Twelve scores where segments cannot be run again, because one alone says little.
 * None where a bond answers for each segment, and where nothing is audited.
 */
export function holdRounds({
  auditMicro,
  tier,
  trainer,
}: Pick<TrainingOrder, 'auditMicro' | 'tier' | 'trainer'>): number {
  if (tier !== 'unverified' || auditMicro === 0) return 0
  const expected = trainer === 'any' ? expectedScores : expectedAudits
  return Math.min(holdLimit, Math.ceil((expected * 1_000_000) / auditMicro))
}

/** Promises a contribution that nothing speaks against, and pays it if the run holds nothing. */
export function promise(draft: Draft, contribution: Held): void {
  if (holdRounds(draft.order) === 0) return pay(draft, contribution)
  draft.held.push(contribution)
  draft.heldMicroUsd += contribution.amountMicroUsd
}

/**
 * Pays what was held for long enough, or everything when the run is over. Whoever has left is paid no sooner, and nobody
 * while an audit of its work within those rounds is out.
 */
export function releaseHeld(draft: Draft, { isOver }: { isOver: boolean }): void {
  const rounds = holdRounds(draft.order)
  const isDue = ({ round, worker }: Held) =>
    (isOver || draft.round.number > round + rounds) &&
    !draft.open.some(
      ({ number, contributions }) => number <= round + rounds && contributions.has(worker),
    )
  for (const each of takeHeld(draft, isDue)) pay(draft, each)
}

/** Nothing that is held of a convicted worker is ever paid. */
export function rejectHeld(draft: Draft, convicted: number): void {
  for (const { round, worker } of takeHeld(draft, ({ worker }) => worker === convicted))
    draft.decisions.push({ kind: 'unpaid', round, worker, reason: 'convicted' })
}

function takeHeld(draft: Draft, isTaken: (held: Held) => boolean): readonly Held[] {
  const taken = draft.held.filter(isTaken)
  if (taken.length === 0) return taken
  const gone = new Set(taken)
  draft.held = draft.held.filter((each) => !gone.has(each))
  for (const { amountMicroUsd } of taken) draft.heldMicroUsd -= amountMicroUsd
  return taken
}

function pay(draft: Draft, { round, worker, amountMicroUsd }: Held): void {
  draft.paidMicroUsd += amountMicroUsd
  const earnedMicroUsd = draft.workers[worker]!.earnedMicroUsd + amountMicroUsd
  update(draft, worker, { earnedMicroUsd })
  draft.decisions.push({ kind: 'paid', round, worker, amountMicroUsd })
}

const expectedAudits = 4
const expectedScores = 12
/** Bounds what a state keeps, and for how long a worker waits. */
const holdLimit = 64
