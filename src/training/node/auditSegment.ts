import * as StateRoot from '../../exact/commit/StateRoot.ts'
import type { Run } from '../../exact/train/startRun.ts'
import * as Hex from '../../protocol/Hex.ts'
import type { Outcome } from '../../protocol/training/Audit.ts'
import type { Commitment } from '../../protocol/training/Commitment.ts'
import { trainerOf } from '../segment.ts'
import { makeContribution } from './makeContribution.ts'
import { isDrift } from '../payload/Rule.ts'
import { floats, hashesOf, type Made } from './makePayload.ts'

/** What an audit found, with a stable reason. */
export type Finding =
  /** `made` is what came out; nothing where what went into the payload is not known here. */
  | {
      readonly outcome: Extract<Outcome, 'valid'>
      readonly reason: 'Segment.Equal' | 'Segment.EndEqual'
      readonly made?: Made
    }
  | { readonly outcome: Extract<Outcome, 'invalid'>; readonly reason: Difference }
  | {
      readonly outcome: Extract<Outcome, 'unavailable'>
      readonly reason: 'Segment.ErrorVectorGone' | 'Segment.OwnUpdateGone'
    }

export type Difference =
  | 'Segment.EndDiffers'
  | 'Segment.PayloadDiffers'
  | 'Segment.ErrorVectorDiffers'

/**
 * Runs a worker's segment again, bit for bit, and makes its payload from it: everything that the
 * commitment names must come out.
 *
 * @param options.before the error vector that went in, `none` if the worker named none, `unknown` if it
 * cannot be had: of a segment that began with it nothing can be said then.
 */
export async function auditSegment(
  run: Run,
  { commitment, before, ...rest }: auditSegment.Options,
): Promise<Finding> {
  const { steps } = commitment
  const carried = typeof before === 'string' ? undefined : floats(before)
  if (before === 'unknown' && isDrift(rest.terms))
    return { outcome: 'unavailable', reason: 'Segment.ErrorVectorGone' }
  const { end, made } = await makeContribution(trainerOf(run), { ...rest, steps, before: carried })
  if (Hex.from(StateRoot.from(run.graph.state, end)) !== commitment.end)
    return { outcome: 'invalid', reason: 'Segment.EndDiffers' }
  if (before === 'unknown') return { outcome: 'valid', reason: 'Segment.EndEqual' }
  const { payload, payloadBytes, errorIfAccepted, errorIfLate } = hashesOf(made)
  const invalid = (reason: Difference) => ({ outcome: 'invalid', reason }) as const
  if (payload !== commitment.payload || payloadBytes !== commitment.payloadBytes)
    return invalid('Segment.PayloadDiffers')
  if (errorIfAccepted !== commitment.errorIfAccepted || errorIfLate !== commitment.errorIfLate)
    return invalid('Segment.ErrorVectorDiffers')
  return { outcome: 'valid', reason: 'Segment.Equal', made }
}

export declare namespace auditSegment {
  type Options = Omit<makeContribution.Options, 'steps' | 'before'> & {
    commitment: Commitment
    before: Uint8Array | 'none' | 'unknown'
  }
}
