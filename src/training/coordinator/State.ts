import type * as Hex from '../../protocol/Hex.ts'
import type { Outcome } from '../../protocol/training/Audit.ts'
import type * as Commitment from '../../protocol/training/Commitment.ts'
import type * as TrainingOrder from '../../protocol/training/TrainingOrder.ts'

/** What a log has come to. Plain data: who folds the same log has the same. */
export type State = {
  readonly run: Hex.Hex
  readonly order: TrainingOrder.TrainingOrder
  readonly policy: Policy
  /** Of the last batch. */
  readonly now: number
  readonly phase: Phase
  /** When the phase began. */
  readonly since: number
  /** Hash of the batch with which it began; the run's id at first. */
  readonly began: Hex.Hex
  readonly workers: readonly Worker[]
  /** Number of a worker by its address. */
  readonly numbers: ReadonlyMap<Hex.Address, number>
  readonly round: Round
  /** Closed rounds whose contributions are not all settled, oldest first. */
  readonly open: readonly ClosedRound[]
  /** How long after a round's beginning commitments came, of the last rounds. */
  readonly arrivalsMs: readonly number[]
  readonly paidMicroUsd: bigint
  /** What is promised and paid some rounds later, unless its worker is convicted by then. */
  readonly held: readonly Held[]
  readonly heldMicroUsd: bigint
  /** What the sums that were shown cost in privacy, as zero-concentrated differential privacy. */
  readonly spentRho: number
}

export type Phase =
  | 'gathering'
  | 'warm-up'
  | 'round'
  | 'masking'
  | 'witness'
  | 'cool-down'
  | 'ended'

/** A worker, by its number: the place of its first `join` in the log. */
export type Worker = {
  readonly number: number
  readonly address: Hex.Address
  readonly peer: string
  readonly source: { readonly url: string; readonly certificate: Hex.Hex; readonly peer: string }
  /** Convicted workers stay what they are. */
  readonly standing: 'active' | 'gone' | 'convicted'
  readonly attempt: number
  /** The first round that it takes part in. */
  readonly firstRound: number
  /** Rounds in which its contribution counted. */
  readonly accepted: number
  /** Rounds missed in a row. */
  readonly missed: number
  readonly earnedMicroUsd: bigint
  /** SHA-256 of the error vector that its next payload may build on; zero for none. */
  readonly error: Hex.Hex
  /** Whether two others have found otherwise than it did as an auditor: it is not drawn any more. */
  readonly outvoted: boolean
  /** What scores have said against it and not made up for since, thousandths of a standard error. */
  readonly doubtMilli: number
}

/** The round that goes on. */
export type Round = {
  readonly number: number
  /** Hash of the batch with which it began: the one that closed the round before, or the run's id. */
  readonly batch: Hex.Hex
  /** The replica hash that a majority reported as its beginning. */
  readonly parent: Hex.Hex | undefined
  /** When three quarters had committed. */
  readonly quorumAt: number | undefined
  /** In a private run: who may be in the sum, with its key and how long after the beginning it came. */
  readonly ready: ReadonlyMap<number, { readonly key: Hex.Hex; readonly afterMs: number }>
  /** How often masked vectors were shown for this round. */
  readonly shown: number
  /** Who was drawn to bear witness; undefined before the phase, and when everybody is asked. */
  readonly drawn: ReadonlySet<number> | undefined
  readonly commitments: ReadonlyMap<number, Arrived>
  /** Of each witness, the workers whose payloads it holds. */
  readonly witnesses: ReadonlyMap<number, string>
  /** Replica hash that each worker begins with. */
  readonly reports: ReadonlyMap<number, Hex.Hex>
}

/** A commitment and how long after the round's beginning it came. */
export type Arrived = { readonly commitment: Commitment.Commitment; readonly afterMs: number }

/** A closed round and what becomes of its contributions. */
export type ClosedRound = {
  readonly number: number
  readonly closedAt: number
  /** Hash of the batch that closed it. */
  readonly batch: Hex.Hex
  readonly contributions: ReadonlyMap<number, Contribution>
  /** What is scored together, where segments cannot be run again. */
  readonly groups: readonly ScoreGroup[]
}

/** Contributions of a round that are scored together. */
export type ScoreGroup = {
  /** The replica hash that their segments began from. */
  readonly parent: Hex.Hex
  readonly members: readonly {
    readonly worker: number
    readonly steps: number
    readonly payload: Hex.Hex
  }[]
  /** Who was drawn, what each is bound to, and what it has shown of it. */
  readonly scorers: ReadonlyMap<
    number,
    { readonly seal?: Hex.Hex; readonly scores?: readonly number[] }
  >
  /** When scores may be shown, and nobody can be bound any more. */
  readonly sealedBy: number
  /** When what was not shown is not waited for. */
  readonly dueAt: number
  /** Whether consequences were drawn. */
  readonly isOver: boolean
}

export type Contribution = {
  readonly commitment: Commitment.Commitment
  /** Inner steps that count. */
  readonly weight: number
  /** Who was drawn to run it again, and what each found. */
  readonly audits: ReadonlyMap<number, 'assigned' | Outcome>
  /** When those who were drawn last have had their time. */
  readonly dueAt: number
  /** Whether it waits for a score. */
  readonly awaitsScore: boolean
}

/** A contribution that nothing speaks against, and whose pay is held back. */
export type Held = {
  readonly round: number
  readonly worker: number
  readonly amountMicroUsd: bigint
}

/** Times and shares that are the same in every run unless the order says otherwise. */
export type Policy = {
  readonly gatherMs: number
  readonly warmUpMs: number
  readonly witnessMs: number
  readonly coolDownMs: number
  /** How long an auditor may take; twice the order's `roundMs` where that is longer. */
  readonly auditMs: number
  /** How many are drawn to bear witness of a round. */
  readonly witnesses: number
  /** Rounds missed in a row until a worker is dropped. */
  readonly missedLimit: number
}

export const defaultPolicy: Policy = {
  gatherMs: 30_000,
  warmUpMs: 120_000,
  witnessMs: 15_000,
  coolDownMs: 120_000,
  auditMs: 120_000,
  witnesses: 64,
  missedLimit: 3,
}

/** What follows from a batch. */
export type Decision =
  | { readonly kind: 'worker-joined'; readonly worker: number; readonly firstRound: number }
  | { readonly kind: 'worker-dropped'; readonly worker: number; readonly reason: string }
  | {
      readonly kind: 'worker-convicted'
      readonly worker: number
      readonly round: number
      readonly by: 'audits' | 'scores'
    }
  | { readonly kind: 'entry-refused'; readonly author: Hex.Address; readonly reason: string }
  | { readonly kind: 'phase'; readonly phase: Phase; readonly round: number }
  | {
      readonly kind: 'round-close'
      readonly round: number
      readonly accepted: readonly { worker: number; weight: number; payload: Hex.Hex }[]
    }
  /** Nobody's payload was held by enough: the same round again. */
  | { readonly kind: 'round-repeated'; readonly round: number }
  | {
      readonly kind: 'audit-assigned'
      readonly round: number
      readonly worker: number
      readonly auditor: number
    }
  /** An auditor that found otherwise than two others of a worker's contribution. */
  | {
      readonly kind: 'auditor-outvoted'
      readonly round: number
      readonly worker: number
      readonly auditor: number
      readonly found: Outcome | 'differently'
    }
  /** A group of contributions is to be scored. */
  | {
      readonly kind: 'scores-asked'
      readonly round: number
      readonly group: number
      readonly members: readonly number[]
      readonly scorers: readonly number[]
      /** Hash of the batch that closed the round. */
      readonly batch: Hex.Hex
    }
  /** What two scorers found alike of a contribution, standard errors above chance, and the doubt that it leaves. */
  | {
      readonly kind: 'scored'
      readonly round: number
      readonly worker: number
      readonly errorMilli: number
      readonly doubtMilli: number
    }
  | {
      readonly kind: 'paid'
      readonly round: number
      readonly worker: number
      readonly amountMicroUsd: bigint
    }
  | { readonly kind: 'unpaid'; readonly round: number; readonly worker: number; reason: string }
  | { readonly kind: 'run-end'; readonly reason: string }

/** The state before the first batch. */
export function initial(
  run: Hex.Hex,
  order: TrainingOrder.TrainingOrder,
  policy: Policy = defaultPolicy,
): State {
  return {
    run,
    order,
    policy,
    now: 0,
    phase: 'gathering',
    since: 0,
    began: run,
    workers: [],
    numbers: new Map(),
    round: {
      number: 0,
      batch: run,
      parent: undefined,
      quorumAt: undefined,
      ready: new Map(),
      shown: 0,
      drawn: undefined,
      commitments: new Map(),
      witnesses: new Map(),
      reports: new Map(),
    },
    open: [],
    arrivalsMs: [],
    paidMicroUsd: 0n,
    held: [],
    heldMicroUsd: 0n,
    spentRho: 0,
  }
}

/** Workers that a round counts on. */
export function activeIn({ workers, round }: Pick<State, 'workers' | 'round'>): readonly Worker[] {
  return workers.filter(
    ({ standing, firstRound }) => standing === 'active' && firstRound <= round.number,
  )
}
