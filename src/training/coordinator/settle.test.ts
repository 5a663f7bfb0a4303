import { describe, expect, test } from 'vitest'
import { type Assigned, of, order, play } from '../../../test/trainingTicks.ts'
import type { Decision } from './State.ts'

const all = { ...order, auditMicro: 1_000_000 }

describe('assignAudits', () => {
  test('has all of the last round looked at, and of others the share', () => {
    const { decisions } = play({ workers: 6, rounds: 30, order: { ...order, auditMicro: 100_000 } })
    const drawn = of(decisions, 'audit-assigned').map(({ round }) => round)
    expect(drawn.filter((round) => round === 29).length).toBe(6)
    expect(drawn.filter((round) => round < 29).length).toBeLessThan(40)
  })

  test('has no more than the share looked at where bonds answer, or nobody audits', () => {
    for (const terms of [{ tier: 'exact' as const, auditMicro: 1 }, { auditMicro: 0 }]) {
      const { decisions } = play({ workers: 6, rounds: 5, order: { ...order, ...terms } })
      expect(of(decisions, 'audit-assigned')).toEqual([])
      expect(of(decisions, 'paid').length).toBe(30)
    }
  })
})

describe('settle', () => {
  test('draws another when an auditor has left, at once', () => {
    const { state, decisions } = play({
      workers: 5,
      rounds: 12,
      order: all,
      leaves: { 3: 14_500 },
      finds: ({ auditor }) => (auditor === 3 ? 'later' : 'valid'),
    })
    const left = decisions.findIndex(({ kind }) => kind === 'worker-dropped')
    const audits = (some: readonly Decision[]) => of(some, 'audit-assigned')
    const waiting = audits(decisions.slice(0, left)).filter(({ auditor }) => auditor === 3)
    expect(waiting.length).toBeGreaterThan(0)
    const after = audits(decisions.slice(left, left + waiting.length + 1))
    expect(after.map(keyOf)).toEqual(waiting.map(keyOf))
    expect(state.now).toBeLessThan(60_000)
    expect(of(decisions, 'unpaid')).toEqual([])
  })

  test('draws another when an auditor is dropped, or convicted', () => {
    const silent = { ...all, roundMs: 5_000 }
    const { decisions } = play({ workers: 6, rounds: 12, order: silent, stops: { 5: 8_000 } })
    const unheard = of(decisions, 'audit-assigned').filter(({ auditor }) => auditor === 5)
    const paid = new Set(of(decisions, 'paid').map(keyOf))
    expect(unheard.length).toBeGreaterThan(0)
    for (const each of unheard) expect(paid.has(keyOf(each))).toBe(true)
    const cheating = play({
      workers: 6,
      rounds: 12,
      order: all,
      finds: ({ worker, auditor }) =>
        auditor === 5 ? 'later' : worker === 5 ? 'invalid' : 'valid',
    })
    expect(of(cheating.decisions, 'worker-convicted').length).toBe(1)
    expect(cheating.state.now).toBeLessThan(60_000)
  })

  test('gives those who look after an accusation their own time, however late it comes', () => {
    const { state, decisions } = play({
      workers: 6,
      order: all,
      finds: ({ auditor, round }, now) => {
        if (auditor !== 1) return 'valid'
        return now < firstDue(round) ? 'later' : 'invalid'
      },
    })
    expect(of(decisions, 'audit-assigned').some(({ auditor }) => auditor === 1)).toBe(true)
    expect(of(decisions, 'unpaid')).toEqual([])
    expect(state.paidMicroUsd).toBe(6n * 5n * 30n)
  })

  test('draws no more who accused what two others found right, and takes nothing from it', () => {
    const { state, decisions } = play({ workers: 6, rounds: 20, order: all, slanderers: [1] })
    const outvoted = of(decisions, 'auditor-outvoted')
    expect(outvoted).toMatchObject([{ auditor: 1, found: 'invalid' }])
    const later = decisions.slice(decisions.indexOf(outvoted[0]!))
    expect(of(later, 'audit-assigned').filter(({ auditor }) => auditor === 1)).toEqual([])
    expect(state.workers.map(({ outvoted: each }) => each)).toEqual([0, 1, 0, 0, 0, 0].map(Boolean))
    expect(state.workers[1]).toMatchObject({ standing: 'active', earnedMicroUsd: 600n })
    expect(state.paidMicroUsd).toBe(6n * 20n * 30n)
  })

  test('draws no more who found right what convicts', () => {
    const outvoted = [0, 1, 2, 3, 4].flatMap((liar) => {
      const { state, decisions } = play({
        workers: 6,
        rounds: 20,
        order: all,
        finds: ({ worker, auditor }) =>
          worker === liar && auditor !== 5 ? 'invalid' : ('valid' as const),
      })
      expect(of(decisions, 'worker-convicted').map(({ worker }) => worker)).toEqual([liar])
      expect(state.workers[5]!.standing).toBe('active')
      return of(decisions, 'auditor-outvoted')
    })
    expect(outvoted.length).toBeGreaterThan(0)
    for (const each of outvoted) expect(each).toMatchObject({ auditor: 5, found: 'valid' })
  })

  test('holds an answer that was not had against no auditor, nor anything where claims are held to the chain', () => {
    const refused = (each: Assigned) => (each.auditor === 1 ? 'unavailable' : 'valid')
    const { decisions } = play({ workers: 6, rounds: 20, order: all, finds: refused })
    expect(of(decisions, 'auditor-outvoted')).toEqual([])
    expect(of(decisions, 'unpaid')).toEqual([])
    const exact = play({ workers: 6, order: { ...all, tier: 'exact' }, slanderers: [1] })
    expect(of(exact.decisions, 'auditor-outvoted')).toEqual([])
  })

  test('leaves an auditor out when it joins again', () => {
    const { decisions } = play({
      workers: 6,
      rounds: 40,
      order: { ...all, roundMs: 5_000 },
      slanderers: [1],
      stops: { 1: 40_000 },
      returnsMs: 90_000,
    })
    const again = decisions.findLastIndex(({ kind }) => kind === 'worker-joined')
    expect(of(decisions, 'auditor-outvoted').length).toBe(1)
    expect(of(decisions, 'worker-dropped').map(({ worker }) => worker)).toEqual([1])
    expect(again).toBeGreaterThan(decisions.findIndex(({ kind }) => kind === 'worker-dropped'))
    const later = of(decisions.slice(again), 'audit-assigned')
    expect(later.length).toBeGreaterThan(0)
    expect(later.filter(({ auditor }) => auditor === 1)).toEqual([])
  })
})

const keyOf = ({ round, worker }: { round: number; worker: number }) => `${round} ${worker}`

/** A batch or two before the first auditor of a round would be overdue. */
const firstDue = (round: number) => 120_000 + 5_000 * round
