import * as StateRoot from '../../exact/commit/StateRoot.ts'
import type { Run } from '../../exact/train/startRun.ts'
import * as Hex from '../../protocol/Hex.ts'
import type { Outcome } from '../../protocol/training/Audit.ts'
import type { Commitment } from '../../protocol/training/Commitment.ts'
import { flatten, type Layout, type Replica } from '../Replica.ts'
import { runSegment } from '../segment.ts'
import { hashesOf, makePayload } from './makePayload.ts'

/** What an audit found, with a stable reason. */
export type Finding = { readonly outcome: Outcome; readonly reason: string }

/**
 * Runs a worker's segment again, bit for bit, and makes its payload from it: everything that the
 * commitment names must come out.
 *
 * @param options.before the error vector that went in, or nothing if the worker named none.
 */
export async function auditSegment(
  run: Run,
  { commitment, replica, layout, before, kept, ...rest }: auditSegment.Options,
): Promise<Finding> {
  const { steps } = commitment
  const end = await runSegment(run, { layout, replica, steps, ...rest })
  if (Hex.from(StateRoot.from(run.graph.state, end)) !== commitment.end)
    return { outcome: 'invalid', reason: 'Segment.EndDiffers' }
  const parent = flatten(layout, replica.parameters)
  const trained = flatten(layout, end.slice(0, layout.slots.length))
  const made = hashesOf(makePayload({ parent, trained, before, kept }))
  if (made.payload !== commitment.payload || made.payloadBytes !== commitment.payloadBytes)
    return { outcome: 'invalid', reason: 'Segment.PayloadDiffers' }
  const { errorIfAccepted, errorIfLate } = made
  if (errorIfAccepted !== commitment.errorIfAccepted || errorIfLate !== commitment.errorIfLate)
    return { outcome: 'invalid', reason: 'Segment.ErrorVectorDiffers' }
  return { outcome: 'valid', reason: 'Segment.Equal' }
}

export declare namespace auditSegment {
  type Options = Omit<runSegment.Options, 'steps' | 'onStep'> & {
    commitment: Commitment
    /** The state that the round began from. */
    replica: Replica
    layout: Layout
    before?: Uint8Array | undefined
    kept: number
  }
}
