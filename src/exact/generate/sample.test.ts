import { describe, expect, test } from 'vitest'
import { greedy, sample, SampleError } from './sample.ts'

const seed = [1, 2] as const

describe('sample', () => {
  test('draws tokens as often as their weights say', () => {
    const counts = tally([100, 0, 300, 600], {}, 4000)
    expect(counts[1]).toBe(0)
    ;[0.1, 0, 0.3, 0.6].forEach((share, token) =>
      expect(Math.abs(counts[token]! / 4000 - share)).toBeLessThan(0.025),
    )
  })

  test('is the same for the same seed and position', () => {
    const weights = Uint32Array.from({ length: 50 }, (_, token) => token + 1)
    const draw = (position: number) => sample(weights, { seed, position })
    expect(draw(3)).toBe(draw(3))
    expect(
      new Set(Array.from({ length: 20 }, (_, position) => draw(position))).size,
    ).toBeGreaterThan(5)
  })

  test('topK keeps the most likely, the lower id among equals', () => {
    expect(tally([5, 9, 5, 1], { topK: 2 }, 200).map((n) => n > 0)).toEqual([
      true,
      true,
      false,
      false,
    ])
    expect(tally([5, 9, 5, 1], { topK: 0 }, 20)[1]).toBe(20)
  })

  test('topP keeps as many as it takes to reach the share', () => {
    const kept = (topP: number) => tally([50, 30, 15, 5], { topP }, 400).map((n) => n > 0)
    expect(kept(0.5)).toEqual([true, false, false, false])
    expect(kept(0.51)).toEqual([true, true, false, false])
    expect(kept(0.8)).toEqual([true, true, false, false])
    expect(kept(1)).toEqual([true, true, true, true])
    expect(kept(0)).toEqual([true, false, false, false])
  })

  test('topP counts among what topK kept', () => {
    expect(tally([50, 30, 15, 5], { topK: 2, topP: 0.62 }, 200).map((n) => n > 0)).toEqual([
      true,
      false,
      false,
      false,
    ])
  })

  test('weights of 32 bits do not overflow', () => {
    const weights = new Uint32Array(1000).fill(0xffff_ffff)
    const tokens = Array.from({ length: 60 }, (_, position) => sample(weights, { seed, position }))
    expect(Math.max(...tokens)).toBeGreaterThan(900)
    expect(Math.min(...tokens)).toBeLessThan(100)
  })

  test('without any chance it says so', () => {
    expect(() => sample(new Uint32Array(3), { seed, position: 0 })).toThrow(SampleError)
  })
})

describe('greedy', () => {
  test('takes the greatest logit, the first among equals, never NaN', () => {
    expect(greedy(Float32Array.of(1, 3, 2, 3))).toBe(1)
    expect(greedy(Float32Array.of(Number.NaN, -5, -4))).toBe(2)
    expect(greedy(Float32Array.of(-Infinity, -Infinity))).toBe(0)
    expect(() => greedy(Float32Array.of(Number.NaN))).toThrow(SampleError)
  })
})

function tally(
  weights: readonly number[],
  options: { topK?: number; topP?: number },
  draws: number,
): readonly number[] {
  const counts = weights.map(() => 0)
  for (let position = 0; position < draws; position++)
    counts[sample(Uint32Array.from(weights), { seed, position, ...options })]!++
  return counts
}
