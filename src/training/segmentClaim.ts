import * as RunRoot from '../exact/commit/RunRoot.ts'
import type { ExactClaim } from '../protocol/ExactClaim.ts'
import * as Hex from '../protocol/Hex.ts'
import type { TrainingOrder } from '../protocol/training/TrainingOrder.ts'
import { seedOf } from './segment.ts'

/** What a worker claims of a segment, but for what answers for it and how long. */
export type SegmentClaim = Omit<ExactClaim, 'claimant' | 'bond' | 'challengeUntil'>

/**
 * The claim that a segment of a run calls for; its job is the run.
 *
 * @param options.roots the state roots of the segment, that before its first step and one after each.
 */
export function segmentClaim(
  order: TrainingOrder,
  { run, round, worker, roots }: segmentClaim.Options,
): SegmentClaim {
  const [start, ...after] = roots
  const [seed0, seed1] = seedOf([order.seed0, order.seed1], round)
  return {
    job: run,
    graph: order.graph,
    graphCid: order.graphCid,
    start: Hex.from(start!),
    end: Hex.from(after.at(-1)!),
    data: order.data,
    seed0,
    seed1,
    worker,
    steps: after.length,
    run: Hex.from(RunRoot.from(after)),
  }
}

export declare namespace segmentClaim {
  type Options = {
    run: Hex.Hex
    round: number
    worker: number
    roots: readonly Uint8Array[]
  }
}

/**
 * How a claim compares with what the segment comes to here: `other` when it is not about this segment, `false`
 * when it is and the chain would find it wrong.
 */
export function compare(claim: ExactClaim, own: SegmentClaim): 'equal' | 'other' | 'false' {
  const about = [
    'job',
    'graph',
    'graphCid',
    'start',
    'data',
    'seed0',
    'seed1',
    'worker',
    'steps',
  ] as const
  if (about.some((name) => claim[name] !== own[name])) return 'other'
  return claim.end === own.end && claim.run === own.run ? 'equal' : 'false'
}
