import type { Run } from '../exact/train/startRun.ts'
import * as Hex from '../protocol/Hex.ts'
import type { Commitment } from '../protocol/training/Commitment.ts'
import { closesOf, ownPayloadOf, readPayload, replicaAfter } from './closedRound.ts'
import { holdRounds } from './coordinator/held.ts'
import type { Log } from './log/openLog.ts'
import { auditSegment, type Difference } from './node/auditSegment.ts'
import { commitmentsIn } from './node/neededContents.ts'
import { hashOf, type Layout, type Replica } from './Replica.ts'
import { auditScores } from './score/auditScores.ts'
import type { Measure } from './score/startMeasure.ts'
import type { runSegment } from './segment.ts'

/** What an audit of a whole run comes upon. */
export type AuditFinding =
  /** A closed round: the state after it, computed again from the payloads. */
  | { readonly kind: 'round'; readonly round: number; readonly replica: Hex.Hex }
  /** A segment that came out as it was promised; `payload` says whether the payload was made again, too. */
  | {
      readonly kind: 'segment'
      readonly round: number
      readonly worker: number
      readonly payload: boolean
    }
  /** Contributions whose scores were made again. */
  | { readonly kind: 'scores'; readonly round: number; readonly group: number }
  /** Something is not as the log says; `known` when the log has already drawn the consequence. */
  | {
      readonly kind: 'difference'
      readonly round: number
      readonly worker?: number | undefined
      readonly reason: string
      readonly known: boolean
    }
  /** Something that it takes to go on is not here. */
  | { readonly kind: 'missing'; readonly round: number; readonly what: string }

/**
 * Computes a run again from its log: every state from the payloads, what each report said of it, who is
 * owed what, and of the segments as many as are chosen, bit for bit; where any trainer may have computed them, scores instead.
 *
 * @param ports.log whose batches were checked when they were taken.
 * @param ports.contents what is at hand by its hash.
 */
export async function* auditRun(
  ports: auditRun.Ports,
  { layout, start, isChosen, ...options }: auditRun.Options,
): AsyncGenerator<AuditFinding> {
  const { log, contents } = ports
  const { order } = log
  const { measure } = ports
  const batches = log.from(0, Infinity)
  const commitments = new Map<string, Commitment>()
  // The first of a worker and a round that names a payload is the one that may have been accepted.
  for (const each of commitmentsIn(batches)) commitments.set(`${each.round} ${each.payload}`, each)
  const reports = Map.groupBy(
    batches.flatMap(({ entries }) =>
      entries.flatMap((entry) => (entry.kind === 'applied' ? [entry.signed.message] : [])),
    ),
    ({ rounds }) => rounds,
  )
  const { numbers } = log.state()
  const isSettled = new Set(
    log
      .decisions()
      .flatMap((each) => (each.kind === 'unpaid' ? [`${each.round} ${each.worker}`] : [])),
  )
  const errors = new Map<number, Uint8Array>()
  let replica: Replica = { rounds: 0, parameters: start }

  yield* payDifferences(log)
  yield* holdDifferences(log)
  for (const close of closesOf(log.decisions())) {
    const { round, accepted } = close
    yield* reportDifferences(round)
    for (const { worker, payload } of accepted) {
      const commitment = commitments.get(`${round} ${payload}`)
      // What came of private data, nobody else can compute.
      const isPublic = order.privacy === 'none' && order.trainer === 'exact'
      if (isPublic && commitment && isChosen(round, worker)) yield* segment(commitment, worker)
    }
    if (measure)
      yield* auditScores(
        { log, measure, contents },
        { layout, replica, close, data: options.data, isChosen },
      )
    const payloadOf = (payload: Hex.Hex) => contents(payload)
    const after = await replicaAfter(replica, close, { layout, order, payloadOf })
    if (after.type === 'missing') {
      const what = `the payload of worker ${after.worker}, ${after.payload}`
      yield { kind: 'missing', round, what }
      return
    }
    replica = after.replica
    yield { kind: 'round', round, replica: hashOf(layout, replica) }
  }
  yield* reportDifferences(replica.rounds)

  function* reportDifferences(rounds: number): Generator<AuditFinding> {
    const own = hashOf(layout, replica)
    for (const { worker, replica: reported } of reports.get(rounds) ?? [])
      if (reported !== own) {
        const reason = `it reported the state ${reported}, and the payloads give ${own}`
        yield {
          kind: 'difference',
          round: rounds,
          worker: numbers.get(worker),
          reason,
          known: false,
        }
      }
  }

  async function* segment(commitment: Commitment, worker: number): AsyncGenerator<AuditFinding> {
    const { round } = commitment
    const key = `${round} ${worker}`
    const known = log.state().workers[worker]!.standing === 'convicted' || isSettled.has(key)
    const base = { round, worker }
    if (commitment.parent !== hashOf(layout, replica)) {
      const reason = 'its segment began from another state'
      return yield { ...base, kind: 'difference', reason, known }
    }
    const { seed0, seed1, steps: stepsPerRound } = order
    const payload = ownPayloadOf(order, log.decisions(), { round, worker })
    const bytes = payload && (await contents(payload))
    const own = bytes && readPayload(bytes, { layout, order, round: round - 1 })
    if (payload && !own)
      return yield { kind: 'missing', round, what: `the payload of worker ${worker}, ${payload}` }
    const found = await auditSegment(ports.run, {
      commitment,
      layout,
      replica,
      before: await errorBefore(commitment, worker),
      own,
      terms: order,
      data: options.data,
      seed: [seed0, seed1],
      worker,
      stepsPerRound,
      signal: options.signal,
      onStep: options.onStep,
    })
    if (found.outcome === 'unavailable') {
      const what = `what worker ${worker} had not sent, ${commitment.errorBefore}`
      return yield { kind: 'missing', round, what }
    }
    if (found.outcome === 'invalid')
      return yield { ...base, kind: 'difference', reason: words[found.reason], known }
    if (found.made) errors.set(worker, found.made.ifAccepted)
    yield { ...base, kind: 'segment', payload: found.made !== undefined }
  }

  async function errorBefore({ errorBefore: hash }: Commitment, worker: number) {
    if (hash === Hex.zero) return 'none'
    const own = errors.get(worker)
    if (own && Hex.sha256(own) === hash) return own
    return (await contents(hash)) ?? 'unknown'
  }
}

export declare namespace auditRun {
  type Ports = {
    log: Log
    run: Run
    /** What scores are made with; left out, none are made again. */
    measure?: Measure | undefined
    contents: (hash: Hex.Hex) => Promise<Uint8Array | undefined>
  }
  type Options = {
    layout: Layout
    start: readonly Uint8Array[]
    data: Uint8Array
    /** Whether a worker's segment of a round is run again. */
    isChosen: (round: number, worker: number) => boolean
    onStep?: runSegment.Options['onStep']
    signal?: AbortSignal | undefined
  }
}

const words: Readonly<Record<Difference, string>> = {
  'Segment.EndDiffers': 'its segment ends in another state',
  'Segment.PayloadDiffers': 'its payload is another',
  'Segment.ErrorVectorDiffers': 'its error vector is another',
}

/** What each is owed, counted another way than the fold does: accepted steps, less those refused. */
function* payDifferences(log: Log): Generator<AuditFinding> {
  const decisions = log.decisions()
  const { workers, paidMicroUsd, round } = log.state()
  const weights = new Map<string, number>(
    closesOf(decisions).flatMap(({ round: closed, accepted }) =>
      accepted.map(({ worker, weight }) => [`${closed} ${worker}`, weight] as const),
    ),
  )
  const owed = workers.map(() => 0n)
  for (const each of decisions) {
    if (each.kind !== 'paid' && each.kind !== 'unpaid') continue
    const key = `${each.round} ${each.worker}`
    const weight = weights.get(key)
    weights.delete(key)
    if (each.kind === 'paid') owed[each.worker]! += BigInt(weight ?? 0) * log.order.priceMicroUsd
  }
  const total = owed.reduce((sum, each) => sum + each, 0n)
  const base = { kind: 'difference', round: round.number, known: false } as const
  for (const { number, earnedMicroUsd } of workers)
    if (earnedMicroUsd !== owed[number]) {
      const reason = `it earned ${earnedMicroUsd} by the log, and its steps make ${owed[number]}`
      yield { ...base, worker: number, reason }
    }
  if (total !== paidMicroUsd || total > log.order.budgetMicroUsd)
    yield { ...base, reason: `the log pays ${paidMicroUsd}, and the steps make ${total}` }
}

/** Pay that came sooner than the order holds it back, or after a conviction. */
function* holdDifferences({ order, decisions }: Log): Generator<AuditFinding> {
  const convicted = new Set<number>()
  let closed = 0
  let isOver = false
  for (const each of decisions()) {
    if (each.kind === 'round-close') closed++
    if (each.kind === 'phase') isOver = each.phase === 'cool-down'
    if (each.kind === 'worker-convicted') convicted.add(each.worker)
    if (each.kind !== 'paid') continue
    const { round, worker } = each
    const base = { kind: 'difference', round, worker, known: false } as const
    if (convicted.has(worker)) yield { ...base, reason: 'it was paid after its conviction' }
    const soon = round + holdRounds(order) + 1 - closed
    if (soon > 0 && !isOver) yield { ...base, reason: `it was paid ${soon} rounds too soon` }
  }
}
