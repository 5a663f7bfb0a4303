import { describe, expect, test } from 'vitest'
import { discreteGaussian, widestSigma } from './discreteGaussian.ts'

const key = (seed: number) => new Uint8Array(32).fill(seed)

describe('discreteGaussian', () => {
  // Chi-square over the values up to three sigmas and the rest; the limits are the 99.9th percentiles.
  test.each([
    { sigma: 1, limit: 24.32 },
    { sigma: 2, limit: 34.53 },
    { sigma: 3, limit: 43.82 },
  ])('has the frequencies of its definition at sigma $sigma', ({ sigma, limit }) => {
    const count = 40_000
    const drawn = discreteGaussian(count, { sigma, key: key(sigma) })
    const weight = (x: number) => Math.exp(-(x * x) / (2 * sigma * sigma))
    const reach = 3 * sigma
    const values = Array.from({ length: 2 * reach + 1 }, (_, at) => at - reach)
    const total = values.reduce((sum, x) => sum + weight(x), 0) + 2 * tail(reach, weight)
    const cells = values.map((x) => ({
      expected: (count * weight(x)) / total,
      seen: drawn.filter((each) => each === x).length,
    }))
    cells.push({
      expected: (count * 2 * tail(reach, weight)) / total,
      seen: drawn.filter((each) => Math.abs(each) > reach).length,
    })
    const chi = cells.reduce(
      (sum, { expected, seen }) => sum + (seen - expected) ** 2 / expected,
      0,
    )
    expect(chi).toBeLessThan(limit)
  })

  test('has its mean, variance and fourth moment where single values are rare', () => {
    const sigma = 150_000
    const drawn = discreteGaussian(40_000, { sigma, key: key(9) })
    const moment = (power: number) =>
      drawn.reduce((sum, each) => sum + (each / sigma) ** power, 0) / drawn.length
    expect(Math.abs(moment(1))).toBeLessThan(4 / Math.sqrt(drawn.length))
    expect(Math.abs(moment(2) - 1)).toBeLessThan((4 * Math.sqrt(2)) / Math.sqrt(drawn.length))
    expect(Math.abs(moment(4) - 3)).toBeLessThan((4 * Math.sqrt(96)) / Math.sqrt(drawn.length))
  })

  test('follows from its key', () => {
    const draw = (seed: number) => discreteGaussian(100, { sigma: 1000, key: key(seed) })
    expect(draw(1)).toEqual(draw(1))
    expect(draw(1)).not.toEqual(draw(2))
  })

  test('is zeros at sigma 0, and refuses what it cannot draw exactly', () => {
    expect([...discreteGaussian(3, { sigma: 0, key: key(1) })]).toEqual([0, 0, 0])
    expect(discreteGaussian(50, { sigma: widestSigma, key: key(1) }).some(Boolean)).toBe(true)
    for (const sigma of [1.5, -1, widestSigma + 1, Number.NaN])
      expect(() => discreteGaussian(1, { sigma, key: key(1) })).toThrow(RangeError)
  })
})

function tail(reach: number, weight: (x: number) => number): number {
  let sum = 0
  for (let x = reach + 1; x < reach * 20; x++) sum += weight(x)
  return sum
}
