import { describe, expect, test } from 'vitest'
import { trainingOrder } from '../../../test/trainingOrder.ts'
import { outerSlots, takeOuterStep } from './outerStep.ts'
import type { Terms } from './Rule.ts'

const termsOf = (changes: Partial<Terms>) =>
  trainingOrder({ buyer: `0x${'11'.repeat(20)}`, outerRateMicro: 1_000_000, ...changes })

/** Goes through rounds whose aggregates are given. */
function walk(changes: Partial<Terms>, gradients: readonly (readonly number[])[]): number[] {
  const terms = termsOf(changes)
  const theta = new Float32Array(gradients[0]!.length)
  const outer = new Float32Array(outerSlots(terms) * theta.length)
  gradients.forEach((each, round) =>
    takeOuterStep(theta, outer, { gradient: Float32Array.from(each), terms, round }),
  )
  return [...theta]
}

describe('takeOuterStep', () => {
  test('without momentum takes the aggregate off, each operation rounded to binary32', () => {
    const terms = termsOf({ outerRateMicro: 700_000 })
    const theta = Float32Array.of(1, 0.1)
    const gradient = Float32Array.of(0.5, 0.3)
    takeOuterStep(theta, new Float32Array(), { gradient, terms, round: 0 })
    const rate = Math.fround(0.7)
    const second = Math.fround(Math.fround(0.1) - Math.fround(rate * Math.fround(0.3)))
    expect([...theta]).toEqual([Math.fround(1 - Math.fround(rate * 0.5)), second])
  })

  test("with momentum is Nesterov's", () => {
    // m: 1, 0.5; steps: 1 + 0.5 * 1, 0 + 0.5 * 0.5.
    expect(walk({ outerMomentumMicro: 500_000 }, [[1], [0]])).toEqual([-1.75])
  })

  test('by streaming touches one fragment a round, momentum too', () => {
    const streaming = { rule: 'streaming', fragments: 2, outerMomentumMicro: 500_000 }
    const ones = [1, 1, 1, 1]
    expect(walk(streaming, [ones])).toEqual([-1.5, -1.5, 0, 0])
    expect(walk(streaming, [ones, ones])).toEqual([-1.5, -1.5, -1.5, -1.5])
    expect(walk(streaming, [ones, ones, ones])).toEqual([-3.25, -3.25, -1.5, -1.5])
  })

  test('late, applies what the round before came to, in the fragment of that round', () => {
    expect(walk({ overlap: true }, [[1], [2]])).toEqual([-1])
    expect(walk({ overlap: true }, [[1], [2], [0]])).toEqual([-3])
    const streaming = { rule: 'streaming', fragments: 2, overlap: true }
    expect(walk(streaming, [[1, 0]])).toEqual([0, 0])
    expect(
      walk(streaming, [
        [1, 0],
        [0, 1],
        [0, 0],
      ]),
    ).toEqual([-1, -1])
  })

  test('of data-parallel is AdamW: the first steps go by the sign of the gradient, at a rising rate', () => {
    const parallel = { rule: 'data-parallel', rounds: 100, outerRateMicro: 10_000 }
    const [one, other] = walk(parallel, [[3, -0.002]])
    expect(one).toBeCloseTo(-0.005, 6)
    expect(other).toBeCloseTo(0.005, 6)
    const two = walk(parallel, [
      [3, 0],
      [3, 0],
    ])
    expect(two[0]).toBeCloseTo(-0.005 - 0.01 * (1 - 0.009), 5)
  })

  test('refuses vectors of another model', () => {
    const terms = termsOf({ outerMomentumMicro: 1 })
    const step = { gradient: new Float32Array(2), terms, round: 0 }
    expect(() => takeOuterStep(new Float32Array(2), new Float32Array(1), step)).toThrow('another')
    expect(() => takeOuterStep(new Float32Array(3), new Float32Array(3), step)).toThrow('another')
  })
})
