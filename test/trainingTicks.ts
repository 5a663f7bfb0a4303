/** Workers of a run as the coordinator sees them: entries without signatures, a batch a second. */
import * as Hex from '../src/protocol/Hex.ts'
import type { Outcome } from '../src/protocol/training/Audit.ts'
import type * as Entry from '../src/protocol/training/Entry.ts'
import type * as TrainingOrder from '../src/protocol/training/TrainingOrder.ts'
import { bitmapOf } from '../src/training/coordinator/bitmap.ts'
import { type Decision, initial, type State } from '../src/training/coordinator/State.ts'
import { tick } from '../src/training/coordinator/tick.ts'
import { trainingOrder } from './trainingOrder.ts'

export const hash = (text: string) => Hex.sha256(text)
export const run = hash('run')
export const signature = `0x${'00'.repeat(65)}` as const
export const addressOf = (number: number) =>
  `0x${(number + 1).toString(16).padStart(40, '0')}` as const
export const replicaAfter = (rounds: number) => hash(`replica ${rounds}`)

export const order = trainingOrder({ buyer: addressOf(999) })

type World = {
  workers: number
  order?: TrainingOrder.TrainingOrder
  rounds?: number
  /** When workers fall silent, and when they come back. */
  stops?: Record<number, number>
  returnsMs?: number
  /** How long a round's work takes them; others take two seconds. */
  slow?: Record<number, number>
  unheld?: readonly number[]
  liars?: readonly number[]
  slanderers?: readonly number[]
  forgetful?: readonly number[]
  /** What an auditor finds, `later` while it has not looked yet. @default by the three above */
  finds?: (audit: Assigned, now: number) => Outcome | 'later'
  /** What a worker says of scores. @default nothing */
  scores?: (state: State, number: number) => readonly Entry.Entry[]
  /** When workers leave. */
  leaves?: Record<number, number>
  /** Looks at every state. */
  watch?: (state: State) => void
  endMs?: number
}

export type Assigned = Extract<Decision, { kind: 'audit-assigned' }>

/** Workers that follow the log and answer it, a batch a second. */
export function play(world: World): {
  state: State
  decisions: Decision[]
  log: Parameters<typeof tick>[1][]
} {
  const { workers, stops = {}, slow = {}, returnsMs = Infinity, endMs = 1_500_000 } = world
  const { finds = findingsOf(world), leaves = {} } = world
  const wanted = { ...(world.order ?? order), ...(world.rounds ? { rounds: world.rounds } : {}) }
  let state = initial(run, wanted)
  const decisions: Decision[] = []
  const log: Parameters<typeof tick>[1][] = []
  let assigned: readonly Assigned[] = []
  for (let now = 1000; now < endMs && state.phase !== 'ended'; now += 1000) {
    const inbox: Entry.Entry[] = []
    const since = now - state.since
    for (let number = 0; number < workers; number++) {
      const stopped = now >= (stops[number] ?? Infinity) && now < returnsMs
      const own = state.workers[number]
      const isLeaving = now >= (leaves[number] ?? Infinity)
      if (isLeaving && own?.standing === 'active') inbox.push(leave(number, own.attempt))
      if (stopped || isLeaving) continue
      if (!own || own.standing === 'gone') inbox.push(join(number, (own?.attempt ?? -1) + 1))
      if (own?.standing !== 'active') continue
      const { round } = state
      if (!round.reports.has(number)) inbox.push(applied(state, number))
      const working = state.phase === 'round' && round.parent && round.number >= own.firstRound
      if (working && !round.commitments.has(number) && since >= (slow[number] ?? 2000))
        inbox.push(commitment(state, number))
      if (state.phase === 'witness' && !round.witnesses.has(number)) {
        const held = [...round.commitments.keys()].filter((each) => !world.unheld?.includes(each))
        inbox.push(witness(state, number, held))
      }
      inbox.push(...(world.scores?.(state, number) ?? []))
      assigned = assigned.filter((each) => {
        if (each.auditor !== number) return true
        const found = finds(each, now)
        if (found !== 'later') inbox.push(audit(state, number, each, found))
        return found === 'later'
      })
    }
    const input = { now, seed: hash(`batch ${now}`), inbox }
    const { state: next, outbox } = tick(state, input)
    assigned = [...assigned, ...of(outbox, 'audit-assigned')]
    world.watch?.(next)
    log.push(input)
    decisions.push(...outbox)
    state = next
  }
  return { state, decisions, log }
}

function findingsOf({ liars = [], slanderers = [], forgetful = [] }: World) {
  return ({ worker, auditor }: Assigned): Outcome => {
    if (forgetful.includes(auditor)) return 'declined'
    return liars.includes(worker) === slanderers.includes(auditor) ? 'valid' : 'invalid'
  }
}

export function of<kind extends Decision['kind']>(
  decisions: readonly Decision[],
  kind: kind,
): Extract<Decision, { kind: kind }>[] {
  return decisions.filter((each) => each.kind === kind) as Extract<Decision, { kind: kind }>[]
}

export function sum({ workers }: State): bigint {
  return workers.reduce((total, { earnedMicroUsd }) => total + earnedMicroUsd, 0n)
}

export function join(number: number, attempt: number): Entry.Entry {
  const message = {
    run,
    worker: addressOf(number),
    peer: `peer ${number}`,
    url: 'https://127.0.0.1:1',
    certificate: Hex.zero,
    graph: order.graph,
    data: order.data,
    compliance: hash('compliance'),
    attempt,
  }
  return { kind: 'join', signed: { message, signature } }
}

export function leave(number: number, attempt: number, of = run): Entry.Entry {
  const message = { run: of, worker: addressOf(number), attempt }
  return { kind: 'leave', signed: { message, signature } }
}

export function commitment(
  { round: { number: round }, began }: State,
  number: number,
): Entry.Entry {
  const message = {
    run,
    worker: addressOf(number),
    round,
    batch: began,
    parent: replicaAfter(round),
    steps: 10,
    payload: hash(`payload ${round} ${number}`),
    payloadBytes: 100,
    end: hash('end'),
    errorBefore: Hex.zero,
    errorIfAccepted: hash(`error ${round} ${number}`),
    errorIfLate: hash(`late ${round} ${number}`),
    claim: hash('claim'),
  }
  return { kind: 'commitment', signed: { message, signature } }
}

export function witness(
  { round, began }: State,
  number: number,
  held: readonly number[],
): Entry.Entry {
  const message = {
    run,
    worker: addressOf(number),
    round: round.number,
    batch: began,
    held: bitmapOf(held),
  }
  return { kind: 'witness', signed: { message, signature } }
}

export function applied({ round }: State, number: number): Entry.Entry {
  const said = { lossMicro: 0, heldOutMicro: 0, sentBytes: 0, receivedBytes: 0 }
  const { number: rounds, batch } = round
  const replica = replicaAfter(rounds)
  const message = { run, worker: addressOf(number), rounds, replica, batch, ...said }
  return { kind: 'applied', signed: { message, signature } }
}

export function audit(
  { open }: State,
  number: number,
  { round, worker }: { round: number; worker: number },
  outcome: string,
): Entry.Entry {
  const message = {
    run,
    auditor: addressOf(number),
    round,
    batch: open.find((each) => each.number === round)?.batch ?? run,
    worker: addressOf(worker),
    outcome,
    reason: 'Segment.Equal',
  }
  return { kind: 'audit', signed: { message, signature } }
}
