/** What the explorer answers about runs of training; `Api.ts` is the rest. */
import type { Phase, Worker } from '../training/coordinator/State.ts'
import type { Outcome } from '../protocol/training/Audit.ts'
import type * as Hex from '../protocol/Hex.ts'
import type { Amount } from './Api.ts'

/** A row of `GET /api/training`: a run that somebody ordered, as its log has it. */
export type TrainingRun = {
  readonly id: Hex.Hex
  readonly buyer: Hex.Address
  readonly tier: string
  readonly phase: Phase
  /** Stable code; null while it goes on. */
  readonly endedBy: string | null
  /** Rounds that are in the model, of those that were ordered. */
  readonly round: number
  readonly rounds: number
  readonly startedAt: number
  /** Time of the last batch of the log. */
  readonly heardAt: number
  readonly workers: { readonly active: number; readonly gone: number; readonly convicted: number }
  /** Nats a token at first and now: on held-out data if anybody measures it, else the workers' mean. */
  readonly firstLoss: number | null
  readonly loss: number | null
  /** Inner steps that count. */
  readonly steps: number
  /** Of payloads that were committed. */
  readonly payloadBytes: number
  /** Over the wire of all workers together, by their own word. */
  readonly sentBytes: number
  readonly audits: Audits
  readonly paid: Amount
  /** Promised, and held back until audits were likely. */
  readonly held: Amount
  readonly budget: Amount
  /** How often another node went on writing the log, and how often a round was begun again. */
  readonly takeovers: number
  readonly repeated: number
}

/** Segments that were drawn to be run again, by what was found. */
export type Audits = { readonly assigned: number } & Readonly<Record<Outcome, number>>

/** `GET /api/training/:id`. */
export type TrainingDetail = {
  readonly run: TrainingRun
  readonly order: {
    readonly steps: number
    readonly rule: string
    readonly kept: readonly [first: number, last: number]
    readonly outerRate: number
    readonly minWorkers: number
    readonly maxWorkers: number
    readonly roundMs: number
    readonly auditShare: number
    readonly price: Amount
    readonly graph: Hex.Hex
    readonly start: Hex.Hex
    readonly data: Hex.Hex
  }
  readonly workers: readonly TrainingWorker[]
  /** Oldest first; thinned out when they are many. */
  readonly rounds: readonly TrainingRound[]
  /** What befell workers and rounds, newest first. */
  readonly events: readonly TrainingEvent[]
}

export type TrainingWorker = {
  readonly number: number
  readonly address: Hex.Address
  readonly standing: Worker['standing']
  /** Accepted rounds and steps. */
  readonly rounds: number
  readonly steps: number
  readonly earned: Amount
  readonly payloadBytes: number
  /** By its own word. */
  readonly sentBytes: number
  readonly receivedBytes: number
  readonly loss: number | null
  readonly audits: Audits
  /** Why it is not among them any more; null while it is. */
  readonly reason: string | null
}

/** A state of the model, and the round that led to it. */
export type TrainingRound = {
  /** Rounds that are in it; 0 is the first state. */
  readonly round: number
  readonly at: number
  readonly heldOut: number | null
  /** Of all workers together up to here. */
  readonly steps: number
  readonly payloadBytes: number
  readonly workers: readonly {
    readonly worker: number
    readonly loss: number | null
    /** Accepted; 0 for what did not count. */
    readonly steps: number
    readonly payloadBytes: number
    /** Over the wire since its last report, by its own word. */
    readonly sentBytes: number
    readonly receivedBytes: number
  }[]
}

export type TrainingEvent = {
  readonly at: number
  /** Rounds that were in the model. */
  readonly round: number
  /** Stable code; the page has a sentence for each. */
  readonly code: (typeof trainingCodes)[number]
  /** By number. */
  readonly worker: number | null
  readonly detail: string
}

/** What can befall a run. */
export const trainingCodes = [
  'worker-joined',
  'worker-dropped',
  'worker-convicted',
  'unpaid',
  'audit-valid',
  'audit-invalid',
  'audit-unavailable',
  'audit-declined',
  'auditor-outvoted',
  'round-repeated',
  'takeover',
  'run-end',
] as const

/** `GET /api/training/curves`: losses of several runs, to be compared. */
export type TrainingCurve = {
  readonly run: TrainingRun
  readonly points: readonly {
    readonly round: number
    readonly at: number
    readonly steps: number
    readonly bytes: number
    readonly loss: number
  }[]
}
