/**
 * Judges what providers delivered: offline checks of receipts and evidence, and a validator that runs a
 * sample of jobs again on its own engine and publishes signed verdicts. It moves no money and excludes
 * nobody; buyers do that with what it finds.
 */
export { checkEvidence } from './checkEvidence.ts'
export { compareRuns, obstacle, rerun, RerunError, type Finding, type Run } from './rerun.ts'
export { startValidator, type Counts, type Validator } from './startValidator.ts'
export { verifyReceipt, type Check } from './verifyReceipt.ts'
