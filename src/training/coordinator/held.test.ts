import { describe, expect, test } from 'vitest'
import { of, order, play, sum } from '../../../test/trainingTicks.ts'
import { holdRounds } from './held.ts'
import { type Decision, initial } from './State.ts'
import { tick } from './tick.ts'

/** Four rounds are held at this share. */
const all = { ...order, auditMicro: 1_000_000 }
/** Ten rounds are. */
const some = { ...order, auditMicro: 400_000 }

describe('holdRounds', () => {
  test.each([
    ['four audits at the share', 200_000, 20],
    ['a round more where it does not come out even', 300_000, 14],
    ['some rounds even where everything is audited', 1_000_000, 4],
    ['at most 64 rounds', 62_500, 64],
    ['at most 64 rounds, however small the share', 1, 64],
    ['none where nobody audits', 0, 0],
  ])('are %s', (_, auditMicro, rounds) => {
    expect(holdRounds({ ...order, auditMicro })).toBe(rounds)
  })

  test('are none where a bond answers for each segment', () => {
    expect(holdRounds({ ...order, tier: 'exact', auditMicro: 200_000 })).toBe(0)
  })
})

describe('releaseHeld', () => {
  test('pays a round when those after it are closed, and everything at the end', () => {
    const { state, decisions } = play({ workers: 4, rounds: 9, order: all })
    const paid = of(decisions, 'paid')
    expect(paid.length).toBe(36)
    for (const { round } of paid) {
      const closedBefore = of(before(decisions, round), 'round-close').length
      expect(closedBefore).toBe(Math.min(9, round + 5))
    }
    expect(state.paidMicroUsd).toBe(36n * 30n)
    expect([state.held, state.heldMicroUsd]).toEqual([[], 0n])
  })

  test('pays who has left no sooner', () => {
    const { decisions } = play({ workers: 5, rounds: 12, order: all, leaves: { 3: 9_500 } })
    expect(of(decisions, 'worker-dropped')).toMatchObject([{ worker: 3, reason: 'left' }])
    const rounds = of(decisions, 'paid').filter(({ worker }) => worker === 3)
    expect(rounds.length).toBeGreaterThan(0)
    for (const { round } of rounds)
      expect(of(before(decisions, round, 3), 'round-close').length).toBe(round + 5)
  })

  test('waits while an audit within those rounds is out', () => {
    const { decisions } = play({
      workers: 5,
      rounds: 12,
      order: all,
      finds: ({ worker, round }, now) =>
        worker === 1 && round === 4 && now < 60_000 ? 'later' : 'valid',
    })
    const closes = (worker: number) => of(before(decisions, 0, worker), 'round-close').length
    expect(closes(2)).toBe(5)
    expect(closes(1)).toBeGreaterThan(5)
    expect(of(decisions, 'paid').length).toBe(60)
  })

  test('comes to the same when the log is folded again', () => {
    const { state, log } = play({ workers: 4, rounds: 9, order: some })
    let again = initial(state.run, state.order)
    for (const input of log) again = tick(again, input).state
    expect(again).toEqual(state)
  })

  test('never promises more than the budget, whatever is held', () => {
    const budget = { ...some, rounds: 40, budgetMicroUsd: 1_000n }
    let most = 0n
    const { state, decisions } = play({
      workers: 4,
      order: budget,
      watch({ paidMicroUsd, heldMicroUsd, held }) {
        expect(held.reduce((total, { amountMicroUsd }) => total + amountMicroUsd, 0n)).toBe(
          heldMicroUsd,
        )
        if (paidMicroUsd + heldMicroUsd > most) most = paidMicroUsd + heldMicroUsd
      },
    })
    expect(of(decisions, 'run-end')).toEqual([{ kind: 'run-end', reason: 'budget' }])
    expect(most).toBe(990n)
    expect(state.paidMicroUsd).toBe(990n)
    expect(sum(state)).toBe(990n)
  })
})

describe('rejectHeld', () => {
  test.each([3, 5, 8, 12, 30])(
    'leaves a liar without pay for anything, in a run of %i rounds',
    (rounds) => {
      const { state, decisions } = play({ workers: 6, rounds, order: some, liars: [4] })
      expect(of(decisions, 'worker-convicted').map(({ worker }) => worker)).toEqual([4])
      expect(state.workers[4]!.earnedMicroUsd).toBe(0n)
      const accepted = of(decisions, 'round-close').filter(({ accepted: each }) =>
        each.some(({ worker }) => worker === 4),
      )
      const unpaid = of(decisions, 'unpaid')
      expect(unpaid.length).toBe(accepted.length)
      expect(new Set(unpaid.map(({ worker, reason }) => `${worker} ${reason}`))).toEqual(
        new Set(['4 convicted']),
      )
      expect(state.paidMicroUsd).toBe(BigInt(rounds) * 5n * 30n)
    },
  )

  test('takes what is held of a liar that has left before an auditor spoke', () => {
    const { state, decisions } = play({
      workers: 6,
      rounds: 12,
      order: all,
      leaves: { 4: 12_500 },
      finds: ({ worker }, now) => (now < 20_000 ? 'later' : worker === 4 ? 'invalid' : 'valid'),
    })
    expect(of(decisions, 'worker-convicted').map(({ worker }) => worker)).toEqual([4])
    expect(state.workers[4]).toMatchObject({ standing: 'convicted', earnedMicroUsd: 0n })
    expect(state.paidMicroUsd).toBe(12n * 5n * 30n)
  })
})

/** What was decided before a round was paid, to a worker if one is named. */
function before(decisions: readonly Decision[], round: number, worker?: number) {
  const at = decisions.findIndex(
    (each) =>
      each.kind === 'paid' &&
      each.round === round &&
      (worker === undefined || each.worker === worker),
  )
  return decisions.slice(0, at)
}
