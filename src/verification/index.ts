/**
 * Judges what providers delivered: offline checks of receipts and evidence, and a validator that runs a
 * sample of jobs again on its own engine and publishes signed verdicts. It moves no money and excludes
 * nobody; buyers do that with what it finds. And it plays disputes about exact work (`docs/disputes.md`):
 * `dispute/` is the game, its provers and its players, `judge/` what decides the element that is left.
 */
export { checkEvidence } from './checkEvidence.ts'
export { compareClaim, type ClaimFinding } from './compareClaim.ts'
export { compareRuns, obstacle, rerun, RerunError, type Finding, type Run } from './rerun.ts'
export { challengerMove } from './dispute/challengerMove.ts'
export { claimantMove } from './dispute/claimantMove.ts'
export * as Game from './dispute/Game.ts'
export * as Move from '../protocol/dispute/Move.ts'
export { MoveError } from './dispute/MoveError.ts'
export { playDispute, playedSoFar, type Played } from './dispute/playDispute.ts'
export * as Position from '../protocol/dispute/Position.ts'
export { playerOf, type Player, type Seat } from './dispute/playerOf.ts'
export { recordRun, type Recorded } from './dispute/recordRun.ts'
export { startDisputeDesk, type DisputeDesk } from './dispute/startDisputeDesk.ts'
export { startProver, type Prover } from './dispute/startProver.ts'
export * as Table from './dispute/Table.ts'
export { evaluate } from './judge/evaluate.ts'
export { chainOf, readsOf } from './judge/readsOf.ts'
export { startValidator, type Counts, type Validator } from './startValidator.ts'
export { verifyReceipt, type Check } from './verifyReceipt.ts'
