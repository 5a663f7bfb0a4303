import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as Reputation from './Reputation.ts'

const outcome = fc.constantFrom<Reputation.Outcome>(
  'delivered',
  'verified',
  'refused',
  'failed',
  'unavailable',
  'invalid',
)

const after = (outcomes: readonly Reputation.Outcome[], nowMs = 0) =>
  outcomes.reduce((all, each) => Reputation.record(all, each, nowMs), Reputation.unknown)

describe('record', () => {
  test('raises the score for deliveries and lowers it for failures', () => {
    const score = (outcomes: readonly Reputation.Outcome[]) => Reputation.score(after(outcomes), 0)
    const stranger = Reputation.score(Reputation.unknown, 0)
    expect(score(['delivered'])).toBeGreaterThan(stranger)
    expect(score(['verified'])).toBeGreaterThan(score(['delivered']))
    expect(score(['refused'])).toBeLessThan(stranger)
    expect(score(['failed'])).toBeLessThan(score(['refused']))
    expect(score(['invalid'])).toBeLessThan(0.01)
  })

  test('keeps the score a chance, whatever happened, and one more failure never raises it', () => {
    fc.assert(
      fc.property(fc.array(outcome, { maxLength: 300 }), (outcomes) => {
        const reputation = after(outcomes)
        const before = Reputation.score(reputation, 0)
        expect(before).toBeGreaterThan(0)
        expect(before).toBeLessThan(1)
        const worse = Reputation.record(reputation, 'failed', 0)
        expect(Reputation.score(worse, 0)).toBeLessThanOrEqual(before)
      }),
    )
  })

  test('does not let a clock that goes back change what is known', () => {
    const late = after(['delivered'], 1_000_000)
    expect(Reputation.record(late, 'failed', 5).asOfMs).toBe(1_000_000)
  })
})

describe('score', () => {
  test('forgets half in every half-life, towards the stranger', () => {
    const failed = after(['failed', 'failed'])
    const stranger = Reputation.score(Reputation.unknown, 0)
    const scores = [0, 1, 2, 20].map((n) => Reputation.score(failed, n * Reputation.halfLifeMs))
    expect(scores).toEqual(scores.toSorted((a, b) => a - b))
    expect(scores[0]).toBeCloseTo(2 / 11, 6)
    expect(scores[1]).toBeCloseTo(2 / 7, 6)
    expect(scores[3]).toBeCloseTo(stranger, 4)
  })
})
