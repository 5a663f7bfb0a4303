import type * as Hex from '../../protocol/Hex.ts'
import type { Outcome } from '../../protocol/training/Audit.ts'
import type {
  Arrived,
  ClosedRound,
  Contribution,
  Decision,
  Held,
  Phase,
  Policy,
  State,
  Worker,
} from './State.ts'

/** A state while a batch is being folded into it: a copy that may be changed, and what was decided. */
export type Draft = {
  readonly run: Hex.Hex
  readonly order: State['order']
  readonly policy: Policy
  now: number
  phase: Phase
  since: number
  began: Hex.Hex
  /** Hash of the batch. */
  readonly seed: Hex.Hex
  readonly workers: Worker[]
  readonly numbers: Map<Hex.Address, number>
  round: DraftRound
  open: DraftClosedRound[]
  arrivalsMs: number[]
  paidMicroUsd: bigint
  held: Held[]
  heldMicroUsd: bigint
  spentRho: number
  readonly decisions: Decision[]
}

export type DraftRound = {
  readonly number: number
  readonly batch: Hex.Hex
  parent: Hex.Hex | undefined
  quorumAt: number | undefined
  readonly ready: Map<number, { readonly key: Hex.Hex; readonly afterMs: number }>
  shown: number
  drawn: ReadonlySet<number> | undefined
  readonly commitments: Map<number, Arrived>
  readonly witnesses: Map<number, string>
  readonly reports: Map<number, Hex.Hex>
}

export type DraftClosedRound = Omit<ClosedRound, 'contributions' | 'groups'> & {
  readonly contributions: Map<number, DraftContribution>
  groups: ClosedRound['groups']
}

export type DraftContribution = Omit<Contribution, 'audits' | 'dueAt' | 'awaitsScore'> & {
  readonly audits: Map<number, 'assigned' | Outcome>
  dueAt: number
  awaitsScore: boolean
}

/** A copy to change. */
export function draftOf(state: State, seed: Hex.Hex): Draft {
  const { round, open } = state
  return {
    ...state,
    seed,
    workers: [...state.workers],
    numbers: new Map(state.numbers),
    round: {
      ...round,
      ready: new Map(round.ready),
      commitments: new Map(round.commitments),
      witnesses: new Map(round.witnesses),
      reports: new Map(round.reports),
    },
    open: open.map((closed) => ({
      ...closed,
      contributions: new Map(
        Array.from(closed.contributions, ([worker, contribution]) => [
          worker,
          { ...contribution, audits: new Map(contribution.audits) },
        ]),
      ),
    })),
    arrivalsMs: [...state.arrivalsMs],
    held: [...state.held],
    decisions: [],
  }
}

/** Moves to a phase and says so. */
export function enter(draft: Draft, phase: Phase): void {
  draft.phase = phase
  draft.since = draft.now
  draft.began = draft.seed
  draft.decisions.push({ kind: 'phase', phase, round: draft.round.number })
}

/** Changes a worker. */
export function update(draft: Draft, number: number, change: Partial<Worker>): void {
  draft.workers[number] = { ...draft.workers[number]!, ...change }
}

/** Stops counting on a worker; what it delivered stays. */
export function drop(draft: Draft, number: number, reason: string): void {
  update(draft, number, { standing: 'gone' })
  draft.decisions.push({ kind: 'worker-dropped', worker: number, reason })
}

/** A round that nobody has said anything in. */
export function emptyRound(number: number, batch: Hex.Hex): DraftRound {
  return {
    number,
    batch,
    parent: undefined,
    quorumAt: undefined,
    ready: new Map(),
    shown: 0,
    drawn: undefined,
    commitments: new Map(),
    witnesses: new Map(),
    reports: new Map(),
  }
}
