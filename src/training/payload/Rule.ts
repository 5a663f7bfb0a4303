import type { TrainingOrder } from '../../protocol/training/TrainingOrder.ts'
import { annealedKept } from './annealedKept.ts'
import * as Update from './Update.ts'

/** What of an order says how updates are made, joined and applied. */
export type Terms = Pick<
  TrainingOrder,
  | 'rule'
  | 'rounds'
  | 'keptFirst'
  | 'keptLast'
  | 'fragments'
  | 'aggregation'
  | 'toleratedMicro'
  | 'outerRateMicro'
  | 'outerMomentumMicro'
  | 'overlap'
>

/** How the updates of a round are written. */
export function formIn(
  terms: Terms,
  { length, round }: { length: number; round: number },
): Update.Form {
  const { rule, rounds, keptFirst: first, keptLast: last } = terms
  if (rule === 'sparse') return { length, kept: annealedKept(round, { rounds, first, last }) }
  return { length, ...fragmentIn(terms, { length, round }), bits: rule === 'streaming' ? 4 : 16 }
}

/** The entries that a round is about: all, or a fragment of them in its turn. */
export function fragmentIn(
  { rule, fragments }: Terms,
  { length, round }: { length: number; round: number },
): { readonly begin: number; readonly end: number } {
  if (rule !== 'streaming') return { begin: 0, end: length }
  const turn = round % fragments
  const at = (part: number) => Math.floor((length * part) / fragments)
  return { begin: at(turn), end: at(turn + 1) }
}

/**
 * Whether a worker's segment begins with what it has not sent yet, so that it goes on where it was; by
 * the other rules it begins from the state that all have, and what was not sent waits.
 */
export function isDrift({ rule }: Pick<Terms, 'rule'>): boolean {
  return rule === 'streaming'
}

/** The most bytes that a payload of a run can take. */
export function greatestBytes(
  terms: Terms & Pick<TrainingOrder, 'privacy'>,
  length: number,
): number {
  if (terms.privacy === 'sums') return 4 * length
  // The first round keeps most; a later fragment may have one more entry than the first.
  return Update.greatestBytes(formIn(terms, { length, round: 0 })) + 2
}
