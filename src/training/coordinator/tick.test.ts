import { describe, expect, test } from 'vitest'
import {
  applied,
  audit,
  commitment,
  hash,
  join,
  leave,
  of,
  order,
  play,
  replicaAfter,
  run,
  signature,
  sum,
  witness,
} from '../../../test/trainingTicks.ts'
import * as Hex from '../../protocol/Hex.ts'
import type * as Entry from '../../protocol/training/Entry.ts'
import { initial, type State } from './State.ts'
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

  test('goes on with those who joined during a round that all others left', () => {
    const [leaves, stops] = [
      { 0: 12_000, 1: 12_000 },
      { 2: 0, 3: 0 },
    ]
    const { state, decisions } = play({ workers: 4, leaves, stops, returnsMs: 13_000 })
    const late = of(decisions, 'worker-joined').filter(({ worker }) => worker >= 2)
    expect(late.map(({ firstRound }) => firstRound)).toEqual([4, 4])
    expect(of(decisions, 'round-close').map(({ round }) => round)).toEqual([0, 1, 2, 3, 4])
    expect(state.phase).toBe('ended')
  })
})

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
    leave(0, 0, other),
  ]
}
