/**
 * The words of a dispute about exact work: where it stands, and what a party does in its turn.
 * `docs/disputes.md` is the protocol; what follows from a move is decided in `verification/dispute/`.
 */
export * as DisputeKey from './DisputeKey.ts'
export * as Move from './Move.ts'
export * as Position from './Position.ts'
export * as Told from './Told.ts'
