/**
 * The words of a training run: what a buyer orders, and what stands in the log. docs/training-rules.md
 * says what follows from them.
 */
export * as Applied from './Applied.ts'
export * as Audit from './Audit.ts'
export * as Batch from './Batch.ts'
export * as Commitment from './Commitment.ts'
export * as Entry from './Entry.ts'
export * as Join from './Join.ts'
export * as Leave from './Leave.ts'
export * as Ready from './Ready.ts'
export * as Score from './Score.ts'
export * as Seal from './Seal.ts'
export * as TrainingOrder from './TrainingOrder.ts'
export * as Witness from './Witness.ts'
