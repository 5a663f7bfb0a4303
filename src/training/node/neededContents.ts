import * as Hex from '../../protocol/Hex.ts'
import type * as Batch from '../../protocol/training/Batch.ts'
import type { Commitment } from '../../protocol/training/Commitment.ts'
import type { State } from '../coordinator/State.ts'

/**
 * Contents that a node of a run still needs: the payloads of the last rounds, or of all, and the error
 * vectors that audits may ask for or that its own next payload builds on.
 *
 * @param options.payloadRounds how many rounds back payloads are kept; undefined for all.
 */
export function neededContents(
  state: State,
  batches: Iterable<Batch.Batch>,
  { own, payloadRounds, errorRounds = 4 }: neededContents.Options,
): ReadonlySet<Hex.Hex> {
  const oldest = Math.min(state.round.number, ...state.open.map(({ number }) => number))
  const payloadsFrom =
    payloadRounds === undefined ? 0 : Math.min(oldest, state.round.number - payloadRounds)
  const errorsFrom = Math.min(oldest, state.round.number - errorRounds)
  const needed = new Set<Hex.Hex>()
  for (const commitment of commitmentsIn(batches)) {
    const { round, payload, errorBefore, errorIfAccepted, errorIfLate, claim } = commitment
    if (round >= payloadsFrom) needed.add(payload)
    if (round < errorsFrom) continue
    for (const each of [errorBefore, errorIfAccepted, errorIfLate, claim]) needed.add(each)
  }
  const number = state.numbers.get(own)
  if (number !== undefined) needed.add(state.workers[number]!.error)
  needed.delete(Hex.zero)
  return needed
}

export declare namespace neededContents {
  type Options = {
    own: Hex.Address
    payloadRounds?: number | undefined
    /** @default 4 */
    errorRounds?: number | undefined
  }
}

/** All commitments in a log, whatever became of them. */
export function* commitmentsIn(batches: Iterable<Batch.Batch>): Generator<Commitment> {
  for (const { entries } of batches)
    for (const entry of entries) if (entry.kind === 'commitment') yield entry.signed.message
}
