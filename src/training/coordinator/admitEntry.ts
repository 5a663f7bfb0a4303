import * as Hex from '../../protocol/Hex.ts'
import * as Applied from '../../protocol/training/Applied.ts'
import * as Audit from '../../protocol/training/Audit.ts'
import type * as Commitment from '../../protocol/training/Commitment.ts'
import * as Entry from '../../protocol/training/Entry.ts'
import type * as Join from '../../protocol/training/Join.ts'
import type * as Ready from '../../protocol/training/Ready.ts'
import type * as Witness from '../../protocol/training/Witness.ts'
import { type Draft, draftOf, drop, update } from './Draft.ts'
import { score, seal } from './scores.ts'
import { activeIn, type State, type Worker } from './State.ts'

/**
 * Takes an entry into a draft, or says why it has no effect. Signatures have been checked; everything
 * else about an entry is decided here.
 */
export function admitEntry(draft: Draft, entry: Entry.Entry): void {
  const refused = entry.signed.message.run === draft.run ? admit(draft, entry) : 'another-run'
  if (refused !== undefined)
    draft.decisions.push({
      kind: 'entry-refused',
      author: Entry.authorOf(entry),
      reason: `${entry.kind}: ${refused}`,
    })
}

/**
 * Says of one entry after the other whether it would have an effect after those before; a `join` is let through
 * even when it has none, so that who is refused learns why from the log.
 */
export function admission(state: State): (entry: Entry.Entry) => boolean {
  const draft = draftOf(state, Hex.zero)
  return (entry) =>
    (entry.signed.message.run === state.run && admit(draft, entry) === undefined) ||
    entry.kind === 'join'
}

function admit(draft: Draft, entry: Entry.Entry): string | undefined {
  if (draft.phase === 'ended') return 'the-run-is-over'
  switch (entry.kind) {
    case 'join':
      return join(draft, entry.signed.message)
    case 'leave': {
      const worker = workerOf(draft, entry.signed.message.worker)
      if (worker?.standing !== 'active') return 'not-a-worker'
      if (worker.attempt !== entry.signed.message.attempt) return 'another-attempt'
      drop(draft, worker.number, 'left')
      return undefined
    }
    case 'ready':
      return getReady(draft, entry.signed.message)
    case 'commitment':
      return commit(draft, entry.signed.message)
    case 'witness':
      return witness(draft, entry.signed.message)
    case 'applied':
      return report(draft, entry.signed.message)
    case 'audit':
      return audit(draft, entry.signed.message)
    case 'seal':
      return seal(draft, entry.signed.message)
    case 'score':
      return score(draft, entry.signed.message)
  }
}

function join(draft: Draft, message: Join.Join): string | undefined {
  const { order, round, workers, numbers } = draft
  if (message.graph !== order.graph) return 'another-graph'
  if (message.data !== order.data) return 'another-data-set'
  const known = workerOf(draft, message.worker)
  if (known?.standing === 'convicted') return 'convicted'
  if (known && known.attempt >= message.attempt) return 'joined-already'
  const active = workers.filter(({ standing }) => standing === 'active').length
  if (active >= order.maxWorkers && known?.standing !== 'active') return 'the-run-is-full'
  const gathering = draft.phase === 'gathering' || draft.phase === 'warm-up'
  const firstRound = gathering ? round.number : round.number + 1
  const number = known?.number ?? workers.length
  workers[number] = {
    number,
    address: message.worker,
    peer: message.peer,
    source: { url: message.url, certificate: message.certificate, peer: message.peer },
    standing: 'active',
    attempt: message.attempt,
    firstRound,
    accepted: known?.accepted ?? 0,
    missed: 0,
    earnedMicroUsd: known?.earnedMicroUsd ?? 0n,
    error: known?.error ?? Hex.zero,
    outvoted: known?.outvoted ?? false,
    doubtMilli: known?.doubtMilli ?? 0,
  }
  numbers.set(message.worker, number)
  draft.decisions.push({ kind: 'worker-joined', worker: number, firstRound })
  return undefined
}

function getReady(draft: Draft, message: Ready.Ready): string | undefined {
  const { round, order, phase } = draft
  const worker = participant(draft, message.worker)
  if (!worker) return 'not-a-worker'
  if (phase !== 'round' || order.privacy !== 'sums') return 'not-now'
  if (message.round !== round.number) return 'another-round'
  if (message.batch !== draft.began) return 'another-branch'
  if (message.parent !== round.parent) return 'another-parent'
  if (round.ready.has(worker.number)) return 'ready-already'
  round.ready.set(worker.number, { key: message.key, afterMs: draft.now - draft.since })
  return undefined
}

function commit(draft: Draft, message: Commitment.Commitment): string | undefined {
  const { round, order, phase } = draft
  const worker = participant(draft, message.worker)
  if (!worker) return 'not-a-worker'
  const isPrivate = order.privacy === 'sums'
  if (phase !== (isPrivate ? 'masking' : 'round')) return 'not-now'
  if (message.round !== round.number) return 'another-round'
  if (message.batch !== draft.began) return 'another-branch'
  if (message.parent !== round.parent) return 'another-parent'
  if (message.steps < 1 || message.steps > 4 * order.steps) return 'steps-out-of-range'
  if (order.tier === 'exact' && message.claim === Hex.zero) return 'without-a-claim'
  const ready = round.ready.get(worker.number)
  if (isPrivate && !ready) return 'not-in-the-sum'
  // Nobody sees whose steps were more, so that each counts the same.
  if (isPrivate && message.steps !== order.steps) return 'steps-out-of-range'
  // Forgetting what was not sent harms nobody else; making it up would.
  const { errorBefore } = message
  if (errorBefore !== Hex.zero && errorBefore !== worker.error) return 'another-error-vector'
  if (round.commitments.has(worker.number)) return 'committed-already'
  const afterMs = ready?.afterMs ?? draft.now - draft.since
  round.commitments.set(worker.number, { commitment: message, afterMs })
  return undefined
}

function witness(draft: Draft, message: Witness.Witness): string | undefined {
  const { round, phase } = draft
  const worker = participant(draft, message.worker)
  if (!worker) return 'not-a-worker'
  if (phase !== 'witness' || message.round !== round.number) return 'not-now'
  if (message.batch !== draft.began) return 'another-branch'
  if (round.drawn && !round.drawn.has(worker.number)) return 'not-drawn'
  if (!/^[0-9a-f]*$/.test(message.held)) return 'not-a-set'
  round.witnesses.set(worker.number, message.held)
  return undefined
}

function report(draft: Draft, message: Applied.Applied): string | undefined {
  const { round } = draft
  const worker = workerOf(draft, message.worker)
  if (worker?.standing !== 'active') return 'not-a-worker'
  if (message.rounds !== round.number) return 'another-round'
  if (message.batch !== round.batch) return 'another-branch'
  if (round.reports.has(worker.number)) return 'reported-already'
  round.reports.set(worker.number, message.replica)
  return undefined
}

function audit(draft: Draft, message: Audit.Audit): string | undefined {
  const outcome = Audit.outcomes.find((each) => each === message.outcome)
  const auditor = workerOf(draft, message.auditor)
  const worker = workerOf(draft, message.worker)
  if (!outcome) return 'not-an-outcome'
  if (!auditor || !worker) return 'not-a-worker'
  const closed = draft.open.find(({ number }) => number === message.round)
  if (closed && message.batch !== closed.batch) return 'another-branch'
  const audits = closed?.contributions.get(worker.number)?.audits
  if (audits?.get(auditor.number) !== 'assigned') return 'not-assigned'
  audits.set(auditor.number, outcome)
  return undefined
}

function workerOf({ numbers, workers }: Draft, address: Hex.Address): Worker | undefined {
  const number = numbers.get(address)
  return number === undefined ? undefined : workers[number]
}

/** A worker that the round that goes on counts on. */
function participant(draft: Draft, address: Hex.Address): Worker | undefined {
  const worker = workerOf(draft, address)
  if (worker?.standing !== 'active' || worker.firstRound > draft.round.number) return undefined
  return worker
}

/** Notes a missed round, and drops who missed too many. */
export function countMissed(draft: Draft): void {
  for (const { number, missed } of activeIn(draft)) {
    const { ready, commitments } = draft.round
    if (commitments.has(number) || ready.has(number)) update(draft, number, { missed: 0 })
    else if (missed + 1 >= draft.policy.missedLimit) drop(draft, number, 'missed-rounds')
    else update(draft, number, { missed: missed + 1 })
  }
}
