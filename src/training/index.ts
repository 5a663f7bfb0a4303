/**
 * Training across strangers: what workers send each other, and how a round's updates become the next
 * state, by a log that anyone can fold. It owns rounds and the outer step; the inner steps are
 * `exact/`'s, who talks to whom is the network's.
 */
export { accumulate, decay, subtractSent } from './payload/errorFeedback.ts'
export { annealedKept } from './payload/annealedKept.ts'
export { aggregate, clipToMedian } from './payload/aggregate.ts'
export { type Contribution, mean } from './payload/mean.ts'
export * as SparseUpdate from './payload/SparseUpdate.ts'
export { bitmapOf, holds } from './coordinator/bitmap.ts'
export { tick, type Input } from './coordinator/tick.ts'
export {
  activeIn,
  defaultPolicy,
  initial,
  type Decision,
  type Policy,
  type State,
} from './coordinator/State.ts'
export { candidatesOf, waitMs } from './log/candidates.ts'
export { type Contents } from './node/Contents.ts'
export { auditSegment } from './node/auditSegment.ts'
export { type Worker, startWorker } from './node/startWorker.ts'
export { type LogSync, startLogSync } from './node/startLogSync.ts'
export { type Log, openLog } from './log/openLog.ts'
export { epsilonOf, noiseOf, rhoMicroFor } from './private/Budget.ts'
export { discreteGaussian } from './private/discreteGaussian.ts'
export * as Mask from './private/Mask.ts'
export * as Units from './private/Units.ts'
export * as Replica from './Replica.ts'
export { runSegment, segmentStart } from './segment.ts'
export { PayloadError } from './payload/PayloadError.ts'
