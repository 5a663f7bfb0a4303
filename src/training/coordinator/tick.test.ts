import { describe, expect, test } from 'vitest'
import { trainingOrder } from '../../../test/trainingOrder.ts'
import * as Hex from '../../protocol/Hex.ts'
import type * as Entry from '../../protocol/training/Entry.ts'
import type * as TrainingOrder from '../../protocol/training/TrainingOrder.ts'
import { bitmapOf } from './bitmap.ts'
import { type Decision, initial, type State } from './State.ts'
import { tick } from './tick.ts'

describe('tick', () => {
  test('runs rounds to the end and pays every step of every worker', () => {
    const { state, decisions } = play({ workers: 4 })
    expect(state.phase).toBe('ended')
    expect(of(decisions, 'round-close').map(({ round }) => round)).toEqual([0, 1, 2, 3, 4])
    expect(of(decisions, 'paid').length).toBe(20)
    expect(state.paidMicroUsd).toBe(20n * 10n * 3n)
    expect(sum(state)).toBe(state.paidMicroUsd)
    expect(of(decisions, 'run-end')).toEqual([{ kind: 'run-end', reason: 'rounds' }])
  })

  test('comes to the same when the same log is folded again, whatever the batches were cut into', () => {
    const { log, state } = play({ workers: 5, stops: { 3: 20_000 } })
    let again = initial(run, order)
    for (const input of log) again = tick(again, input).state
    expect(again).toEqual(state)
  })

  test('closes rounds without half of the workers, drops them, and takes them back', () => {
    const stops = { 0: 12_000, 2: 12_000, 4: 12_000, 6: 12_000 }
    const { state, decisions } = play({ workers: 8, stops, returnsMs: 200_000, rounds: 40 })
    expect(state.phase).toBe('ended')
    expect(of(decisions, 'round-close').length).toBe(40)
    const dropped = of(decisions, 'worker-dropped')
    expect(dropped.map(({ worker, reason }) => [worker, reason])).toEqual(
      [0, 2, 4, 6].map((worker) => [worker, 'missed-rounds']),
    )
    expect(of(decisions, 'worker-joined').length).toBe(12)
    expect(of(decisions, 'round-close').at(-1)!.accepted.length).toBe(8)
  })

  test('does not wait for a slow worker longer than the deadline, and leaves its work out', () => {
    const { decisions } = play({ workers: 4, slow: { 1: 50_000 } })
    const [first] = of(decisions, 'round-close')
    expect(first!.accepted.map(({ worker }) => worker)).toEqual([0, 2, 3])
  })

  test('leaves out a payload that its sender alone holds', () => {
    const { decisions } = play({ workers: 4, unheld: [2] })
    for (const { accepted } of of(decisions, 'round-close'))
      expect(accepted.map(({ worker }) => worker)).toEqual([0, 1, 3])
  })

  test('convicts who is found wrong by two auditors, and never an honest worker', () => {
    const audited = { ...order, auditMicro: 1_000_000 }
    const { state, decisions } = play({ workers: 6, liars: [4], order: audited })
    expect(of(decisions, 'worker-convicted').map(({ worker }) => worker)).toEqual([4])
    expect(state.workers[4]!.earnedMicroUsd).toBe(0n)
    const honest = state.workers.filter(({ number }) => number !== 4)
    expect(honest.every(({ earnedMicroUsd }) => earnedMicroUsd === 150n)).toBe(true)
    expect(sum(state)).toBe(state.paidMicroUsd)
  })

  test('one lying auditor costs nobody anything', () => {
    const audited = { ...order, auditMicro: 1_000_000 }
    const { state, decisions } = play({ workers: 6, slanderers: [1], order: audited })
    expect(of(decisions, 'worker-convicted')).toEqual([])
    expect(state.paidMicroUsd).toBe(6n * 5n * 30n)
  })

  test('draws another auditor for one that declines, which counts against nobody', () => {
    const audited = { ...order, auditMicro: 1_000_000 }
    const { state, decisions } = play({ workers: 6, forgetful: [2, 3], order: audited })
    expect(of(decisions, 'unpaid')).toEqual([])
    expect(state.paidMicroUsd).toBe(30n * 10n * 3n)
    expect(of(decisions, 'audit-assigned').length).toBeGreaterThan(30)
    const alone = play({ workers: 2, forgetful: [0, 1], order: audited })
    expect(of(alone.decisions, 'unpaid')).toEqual([])
  })

  test('ends when all have reported the last state, and says which it is', () => {
    const { state } = play({ workers: 3 })
    expect(state.round.parent).toBe(replicaAfter(5))
    expect(state.round.reports.size).toBe(3)
  })

  test('never pays more than the budget', () => {
    const budget = { ...order, budgetMicroUsd: 300n }
    const { state, decisions } = play({ workers: 4, order: budget })
    expect(of(decisions, 'run-end')).toEqual([{ kind: 'run-end', reason: 'budget' }])
    expect(state.paidMicroUsd).toBeLessThanOrEqual(300n)
  })

  test('refuses another graph, another data set, another parent, too many steps, a second commitment', () => {
    const { log } = play({ workers: 3, slow: { 2: 4000 } })
    let state = initial(run, order)
    const refusals: string[] = []
    for (const input of log) {
      const extra = state.phase === 'round' && state.round.parent ? spoilt(state) : []
      const { state: next, outbox } = tick(state, { ...input, inbox: [...input.inbox, ...extra] })
      refusals.push(...of(outbox, 'entry-refused').map(({ reason }) => reason))
      state = next
    }
    expect(new Set(refusals)).toEqual(
      new Set([
        'join: another-graph',
        'join: another-data-set',
        'join: joined-already',
        'commitment: another-parent',
        'commitment: another-branch',
        'applied: another-branch',
        'commitment: steps-out-of-range',
        'commitment: another-error-vector',
        'commitment: another-round',
        'commitment: committed-already',
        'audit: not-assigned',
        'witness: not-now',
        'leave: another-run',
      ]),
    )
  })

  test('lets a payload build on just the error vector that the last round left', () => {
    const { state, log } = play({ workers: 4, unheld: [2] })
    expect(state.workers[1]!.error).toBe(hash('error 4 1'))
    expect(state.workers[2]!.error).toBe(hash('late 4 2'))
    let before = initial(run, order)
    const admits = (errorBefore: Hex.Hex) => {
      const entry = commitment(before, 1)
      const message = { ...entry.signed.message, errorBefore }
      const inbox = [{ ...entry, signed: { message, signature } } as Entry.Entry]
      const { outbox } = tick(before, { now: before.now, seed: hash('x'), inbox })
      return of(outbox, 'entry-refused').length === 0
    }
    for (const input of log) {
      if (before.phase === 'round' && before.round.number === 2 && before.round.parent) break
      before = tick(before, input).state
    }
    expect([hash('error 1 1'), hash('late 1 1'), hash('error 0 1'), Hex.zero].map(admits)).toEqual([
      true,
      false,
      false,
      true,
    ])
  })

  test('goes back to gathering when everybody is gone, and on when somebody comes', () => {
    const all = { 0: 12_000, 1: 12_000 }
    const { state, decisions } = play({ workers: 2, stops: all, returnsMs: 600_000, endMs: 2e6 })
    expect(of(decisions, 'phase').filter(({ phase }) => phase === 'gathering').length).toBe(1)
    expect(state.phase).toBe('ended')
  })
})

const hash = (text: string) => Hex.sha256(text)
const run = hash('run')
const signature = `0x${'00'.repeat(65)}` as const
const addressOf = (number: number) => `0x${(number + 1).toString(16).padStart(40, '0')}` as const
const replicaAfter = (rounds: number) => hash(`replica ${rounds}`)

const order = trainingOrder({ buyer: addressOf(999) })

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
  endMs?: number
}

/** Workers that follow the log and answer it, a batch a second. */
function play(world: World): {
  state: State
  decisions: Decision[]
  log: Parameters<typeof tick>[1][]
} {
  const { workers, stops = {}, slow = {}, returnsMs = Infinity, endMs = 1_500_000 } = world
  const wanted = { ...(world.order ?? order), ...(world.rounds ? { rounds: world.rounds } : {}) }
  let state = initial(run, wanted)
  const decisions: Decision[] = []
  const log: Parameters<typeof tick>[1][] = []
  const assigned: Extract<Decision, { kind: 'audit-assigned' }>[] = []
  for (let now = 1000; now < endMs && state.phase !== 'ended'; now += 1000) {
    const inbox: Entry.Entry[] = []
    const since = now - state.since
    for (let number = 0; number < workers; number++) {
      const stopped = now >= (stops[number] ?? Infinity) && now < returnsMs
      if (stopped) continue
      const own = state.workers[number]
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
      for (const each of assigned.filter(({ auditor }) => auditor === number)) {
        const lies = world.slanderers?.includes(number) ?? false
        const wrong = (world.liars?.includes(each.worker) ?? false) !== lies
        const found = wrong ? 'invalid' : 'valid'
        inbox.push(
          audit(state, number, each, world.forgetful?.includes(number) ? 'declined' : found),
        )
      }
    }
    const input = { now, seed: hash(`batch ${now}`), inbox }
    const { state: next, outbox } = tick(state, input)
    assigned.splice(0, Infinity, ...of(outbox, 'audit-assigned'))
    log.push(input)
    decisions.push(...outbox)
    state = next
  }
  return { state, decisions, log }
}

function of<kind extends Decision['kind']>(
  decisions: readonly Decision[],
  kind: kind,
): Extract<Decision, { kind: kind }>[] {
  return decisions.filter((each) => each.kind === kind) as Extract<Decision, { kind: kind }>[]
}

function sum({ workers }: State): bigint {
  return workers.reduce((total, { earnedMicroUsd }) => total + earnedMicroUsd, 0n)
}

/** Entries that must have no effect in a round that goes on. */
function spoilt(state: State): Entry.Entry[] {
  const { number } = state.round
  const other = hash('other')
  const change = (entry: Entry.Entry, fields: object) =>
    ({
      ...entry,
      signed: { ...entry.signed, message: { ...entry.signed.message, ...fields } },
    }) as Entry.Entry
  const done = [...state.round.commitments.keys()].map((worker) => commitment(state, worker))
  return [
    change(join(7, 0), { graph: other }),
    change(join(7, 0), { data: other }),
    join(0, 0),
    ...done,
    change(commitment(state, 1), { parent: other }),
    change(commitment(state, 1), { batch: other }),
    change(commitment(state, 1), { steps: 41 }),
    change(commitment(state, 1), { errorBefore: other }),
    change(commitment(state, 1), { round: number + 1 }),
    change(applied(state, 1), { batch: other }),
    witness(state, 1, [0, 1, 2]),
    audit(state, 0, { round: 0, worker: 1 }, 'invalid'),
    {
      kind: 'leave',
      signed: { message: { run: other, worker: addressOf(0), attempt: 0 }, signature },
    },
  ]
}

function join(number: number, attempt: number): Entry.Entry {
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

function commitment({ round: { number: round }, began }: State, number: number): Entry.Entry {
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

function witness({ round, began }: State, number: number, held: readonly number[]): Entry.Entry {
  const message = {
    run,
    worker: addressOf(number),
    round: round.number,
    batch: began,
    held: bitmapOf(held),
  }
  return { kind: 'witness', signed: { message, signature } }
}

function applied({ round }: State, number: number): Entry.Entry {
  const said = { lossMicro: 0, heldOutMicro: 0, sentBytes: 0, receivedBytes: 0 }
  const { number: rounds, batch } = round
  const replica = replicaAfter(rounds)
  const message = { run, worker: addressOf(number), rounds, replica, batch, ...said }
  return { kind: 'applied', signed: { message, signature } }
}

function audit(
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
