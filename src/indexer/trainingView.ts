/** What a run of training has come to, and how it came there, added up over its log. */
import type { Outcome } from '../protocol/training/Audit.ts'
import type * as Entry from '../protocol/training/Entry.ts'
import type { Decision, State, Worker } from '../training/coordinator/State.ts'
import type { Log } from '../training/log/openLog.ts'
import type * as Api from './TrainingApi.ts'

/** The view of a run that stands behind the API. `rounds` says how many of them are kept at most. */
export function trainingView(
  log: Pick<Log, 'run' | 'order' | 'state' | 'history'>,
  { rounds: mostRounds = 500 }: { rounds?: number } = {},
): Api.TrainingDetail {
  const tally = emptyTally(log.state())
  for (const { batch, decisions } of log.history()) {
    const { now, term } = batch.head.message
    tally.startedAt ??= now
    tally.heardAt = now
    if (term > tally.term) note(tally, { code: 'takeover', worker: null, detail: `term ${term}` })
    tally.term = term
    for (const entry of batch.entries) hear(tally, entry)
    for (const decision of decisions) decide(tally, decision)
  }
  return detailOf(log, tally, mostRounds)
}

type Tally = {
  readonly numbers: ReadonlyMap<string, number>
  startedAt: number | undefined
  heardAt: number
  term: number
  round: number
  endedBy: string | null
  payloadBytes: number
  repeated: number
  takeovers: number
  readonly events: Api.TrainingEvent[]
  readonly rounds: Map<number, DraftRound>
  readonly workers: Map<number, DraftWorker>
  readonly audits: Counts
  /** Drawn, and not heard of yet: round, worker and auditor. */
  readonly due: Set<string>
}

type Counts = { -readonly [name in keyof Api.Audits]: Api.Audits[name] }
type DraftRound = { at: number; heldOut: number | null; readonly workers: Map<number, Share> }
type Share = {
  -readonly [
    name in keyof Api.TrainingRound['workers'][number]
  ]: Api.TrainingRound['workers'][number][name]
}
type DraftWorker = {
  sentBytes: number
  receivedBytes: number
  payloadBytes: number
  rounds: number
  steps: number
  loss: number | null
  reason: string | null
  readonly audits: Counts
}

function emptyTally({ numbers }: State): Tally {
  return {
    numbers,
    startedAt: undefined,
    heardAt: 0,
    term: 0,
    round: 0,
    endedBy: null,
    payloadBytes: 0,
    repeated: 0,
    takeovers: 0,
    events: [],
    rounds: new Map(),
    workers: new Map(),
    audits: noAudits(),
    due: new Set(),
  }
}

function noAudits(): Counts {
  return { assigned: 0, valid: 0, invalid: 0, unavailable: 0, declined: 0 }
}

/** Entries that say what is plotted; what they decide is the fold's business. */
function hear(tally: Tally, entry: Entry.Entry): void {
  if (entry.kind === 'applied') {
    const { worker: address, rounds, lossMicro, heldOutMicro, ...traffic } = entry.signed.message
    const number = tally.numbers.get(address)
    if (number === undefined || rounds > tally.round + 1) return
    const state = roundOf(tally, rounds)
    if (heldOutMicro > 0) state.heldOut ??= heldOutMicro / 1e6
    const worker = workerOf(tally, number)
    const share = shareOf(state, number)
    if (lossMicro > 0) worker.loss = share.loss = lossMicro / 1e6
    for (const name of ['sentBytes', 'receivedBytes'] as const) {
      share[name] += Math.max(0, traffic[name] - worker[name])
      worker[name] = Math.max(worker[name], traffic[name])
    }
  } else if (entry.kind === 'commitment') {
    const { worker: address, round, payloadBytes } = entry.signed.message
    const number = tally.numbers.get(address)
    if (number === undefined || round !== tally.round) return
    const share = shareOf(roundOf(tally, round + 1), number)
    if (share.payloadBytes > 0) return
    share.payloadBytes = payloadBytes
    workerOf(tally, number).payloadBytes += payloadBytes
    tally.payloadBytes += payloadBytes
  } else if (entry.kind === 'audit') {
    const { worker: address, auditor: by, round, outcome, reason } = entry.signed.message
    const [worker, auditor] = [tally.numbers.get(address), tally.numbers.get(by)]
    if (worker === undefined || !tally.due.delete(`${round} ${worker} ${auditor}`)) return
    const found = outcome as Outcome
    tally.audits[found]++
    workerOf(tally, worker).audits[found]++
    const detail = `round ${round + 1}, by worker ${auditor}: ${reason.slice(0, 64)}`
    note(tally, { code: `audit-${found}`, worker, detail })
  }
}

function decide(tally: Tally, decision: Decision): void {
  const event = (code: Api.TrainingEvent['code'], worker: number | null, detail: string) =>
    note(tally, { code, worker, detail })
  if (decision.kind === 'worker-joined') {
    workerOf(tally, decision.worker).reason = null
    event('worker-joined', decision.worker, `from round ${decision.firstRound + 1} on`)
  } else if (decision.kind === 'worker-dropped') {
    workerOf(tally, decision.worker).reason = decision.reason
    event('worker-dropped', decision.worker, decision.reason)
  } else if (decision.kind === 'worker-convicted') {
    const detail =
      decision.by === 'scores'
        ? 'round after round its updates do not come from the pages it was given'
        : `its work of round ${decision.round + 1} is not what it computed`
    workerOf(tally, decision.worker).reason = detail
    event('worker-convicted', decision.worker, detail)
  } else if (decision.kind === 'audit-assigned') {
    const { round, worker, auditor } = decision
    tally.due.add(`${round} ${worker} ${auditor}`)
    tally.audits.assigned++
    workerOf(tally, worker).audits.assigned++
  } else if (decision.kind === 'round-repeated') {
    tally.repeated++
    event('round-repeated', null, `round ${decision.round + 1}`)
  } else if (decision.kind === 'auditor-outvoted') {
    const { round, worker, auditor, found } = decision
    event('auditor-outvoted', auditor, `found worker ${worker} ${found} in round ${round + 1}`)
  } else if (decision.kind === 'unpaid' && decision.reason !== 'convicted')
    event('unpaid', decision.worker, `round ${decision.round + 1}: ${decision.reason}`)
  else if (decision.kind === 'run-end') {
    tally.endedBy = decision.reason
    event('run-end', null, decision.reason)
  } else if (decision.kind === 'round-close') closeRound(tally, decision)
}

function closeRound(tally: Tally, close: Extract<Decision, { kind: 'round-close' }>): void {
  tally.round = close.round + 1
  const state = roundOf(tally, tally.round)
  state.at = tally.heardAt
  for (const { worker: number, weight } of close.accepted) {
    shareOf(state, number).steps = weight
    const worker = workerOf(tally, number)
    worker.rounds++
    worker.steps += weight
  }
}

function note(tally: Tally, event: Omit<Api.TrainingEvent, 'at' | 'round'>): void {
  if (event.code === 'takeover') tally.takeovers++
  tally.events.push({ at: tally.heardAt, round: tally.round, ...event })
  if (tally.events.length > 2 * eventLimit) tally.events.splice(0, eventLimit)
}

function roundOf({ rounds, heardAt }: Tally, round: number): DraftRound {
  const found = rounds.get(round) ?? { at: heardAt, heldOut: null, workers: new Map() }
  rounds.set(round, found)
  return found
}

function shareOf({ workers }: DraftRound, worker: number): Share {
  const none = { worker, loss: null, steps: 0, payloadBytes: 0, sentBytes: 0, receivedBytes: 0 }
  const found = workers.get(worker) ?? none
  workers.set(worker, found)
  return found
}

function workerOf({ workers }: Tally, number: number): DraftWorker {
  const totals = { sentBytes: 0, receivedBytes: 0, payloadBytes: 0, rounds: 0, steps: 0 }
  const found = workers.get(number) ?? { ...totals, loss: null, reason: null, audits: noAudits() }
  workers.set(number, found)
  return found
}

function detailOf(
  { run: id, order, state }: Parameters<typeof trainingView>[0],
  tally: Tally,
  mostRounds: number,
): Api.TrainingDetail {
  const { phase, round, workers, paidMicroUsd, heldMicroUsd } = state()
  const all = roundsOf(tally)
  const losses = all.flatMap((each) => lossOf(each) ?? [])
  const standing = (wanted: Worker['standing']) =>
    workers.filter((worker) => worker.standing === wanted).length
  return {
    run: {
      id,
      buyer: order.buyer,
      tier: order.tier,
      phase,
      endedBy: tally.endedBy,
      round: round.number,
      rounds: order.rounds,
      startedAt: tally.startedAt ?? 0,
      heardAt: tally.heardAt,
      workers: {
        active: standing('active'),
        gone: standing('gone'),
        convicted: standing('convicted'),
      },
      firstLoss: losses[0] ?? null,
      loss: losses.at(-1) ?? null,
      steps: all.at(-1)?.steps ?? 0,
      payloadBytes: tally.payloadBytes,
      sentBytes: [...tally.workers.values()].reduce((sum, each) => sum + each.sentBytes, 0),
      audits: tally.audits,
      paid: String(paidMicroUsd),
      held: String(heldMicroUsd),
      budget: String(order.budgetMicroUsd),
      takeovers: tally.takeovers,
      repeated: tally.repeated,
    },
    order: {
      steps: order.steps,
      rule: order.rule,
      kept: [order.keptFirst, order.keptLast],
      outerRate: order.outerRateMicro / 1e6,
      minWorkers: order.minWorkers,
      maxWorkers: order.maxWorkers,
      roundMs: order.roundMs,
      auditShare: order.auditMicro / 1e6,
      price: String(order.priceMicroUsd),
      graph: order.graph,
      start: order.start,
      data: order.data,
    },
    workers: workers.slice(0, workerLimit).map((worker) => workerRow(worker, tally)),
    rounds: thinned(all, mostRounds),
    events: tally.events.slice(-eventLimit).toReversed(),
  }
}

function workerRow({ number, address, standing, earnedMicroUsd }: Worker, tally: Tally) {
  return { number, address, standing, earned: String(earnedMicroUsd), ...workerOf(tally, number) }
}

function roundsOf({ rounds, round: last }: Tally): readonly Api.TrainingRound[] {
  let [steps, payloadBytes] = [0, 0]
  return [...rounds]
    .filter(([round]) => round <= last)
    .toSorted(([a], [b]) => a - b)
    .map(([round, { at, heldOut, workers }]) => {
      const shares = [...workers.values()].toSorted((a, b) => a.worker - b.worker)
      for (const share of shares) {
        steps += share.steps
        payloadBytes += share.payloadBytes
      }
      return { round, at, heldOut, steps, payloadBytes, workers: shares.slice(0, curveLimit) }
    })
}

/** The loss of a state: on held-out data, else the mean of what its workers had; nothing where nobody said. */
export function lossOf({ heldOut, workers }: Api.TrainingRound): number | undefined {
  if (heldOut !== null) return heldOut
  const losses = workers.flatMap(({ loss }) => loss ?? [])
  return losses.length === 0
    ? undefined
    : losses.reduce((sum, each) => sum + each, 0) / losses.length
}

/** Every so many rounds one, the last among them. */
function thinned<row>(rows: readonly row[], most: number): readonly row[] {
  const every = Math.ceil(rows.length / most)
  return rows.filter((_, at) => (rows.length - 1 - at) % every === 0)
}

const eventLimit = 200
const workerLimit = 256
/** Workers whose shares of a round are told one by one, those with the lowest numbers. */
const curveLimit = 32
