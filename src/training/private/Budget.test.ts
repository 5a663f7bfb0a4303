import { describe, expect, test } from 'vitest'
import { epsilonOf, noiseOf, rhoMicroFor } from './Budget.ts'
import { unitsPerClip } from './Units.ts'

const rhoOf = (sigma: number) => 1 / (2 * sigma * sigma)

describe('epsilonOf', () => {
  test('is the published 1 at delta 1e-6 for a noise multiplier of 4.530877117', () => {
    // From the tests of Google's dp-accounting, where it is the exact optimum of the same conversion.
    expect(epsilonOf(rhoOf(4.530877117), 1e-6)).toBeCloseTo(1, 7)
  })

  test('is never below what the Gaussian mechanism exactly has, and above it by less than a quarter', () => {
    for (const sigma of [0.5, 1, 2, 5, 20])
      for (const delta of [1e-3, 1e-5, 1e-8]) {
        const epsilon = epsilonOf(rhoOf(sigma), delta)
        expect(exactDelta(sigma, epsilon)).toBeLessThan(delta)
        if (epsilon > 0.3) expect(exactDelta(sigma, epsilon * 0.75)).toBeGreaterThan(delta)
      }
  })

  test('is at most rho + 2 sqrt(rho log 1/delta), the older conversion of Bun and Steinke', () => {
    for (const rho of [1e-4, 0.01, 0.3, 2, 50])
      for (const delta of [1e-3, 1e-6, 1e-12]) {
        const older = rho + 2 * Math.sqrt(rho * Math.log(1 / delta))
        expect(epsilonOf(rho, delta)).toBeLessThan(older)
      }
  })

  test('grows with rho, from none to infinity', () => {
    const epsilons = [0, 1e-6, 0.01, 0.1, 1, 10, Infinity].map((rho) => epsilonOf(rho, 1e-5))
    expect(epsilons).toEqual(epsilons.toSorted((a, b) => a - b))
    expect(epsilons[0]).toBe(0)
    expect(epsilons.at(-1)).toBe(Infinity)
  })
})

describe('rhoMicroFor', () => {
  test('is the greatest that epsilonOf lets through', () => {
    for (const epsilon of [0.1, 1, 8, 100]) {
      const rho = rhoMicroFor(epsilon, 1e-5)
      expect(epsilonOf(rho / 1e6, 1e-5)).toBeLessThanOrEqual(epsilon)
      expect(epsilonOf((rho + 1) / 1e6, 1e-5)).toBeGreaterThan(epsilon)
    }
    expect(rhoMicroFor(0, 1e-5)).toBe(0)
  })
})

describe('noiseOf', () => {
  test('makes up the whole noise from those who are counted on', () => {
    for (const members of [3, 4, 10, 1000])
      for (const noiseMicro of [1000, 50_000, 1_000_000, 16_000_000]) {
        const { sigma, counted, rho } = noiseOf({ members, noiseMicro, toleratedMicro: 250_000 })
        expect(counted).toBe(members - Math.floor(members / 4))
        const multiplier = (sigma * Math.sqrt(counted)) / unitsPerClip
        expect(multiplier).toBeGreaterThanOrEqual(noiseMicro / 1e6)
        expect(rho).toBeCloseTo(rhoOf(multiplier), 9)
        expect(sigma).toBeGreaterThanOrEqual(8)
      }
  })

  test('leaves out a term that is nothing: proposition 14 of Kairouz, Liu and Steinke', () => {
    const [sigma, count, length] = [8, 1000, 2 ** 40]
    let tau = 0
    for (let k = 1; k < count; k++)
      tau += 10 * Math.exp(-2 * Math.PI ** 2 * sigma ** 2 * (k / (k + 1)))
    expect(tau * length).toBeLessThan(1e-200)
  })

  test('costs everything when there is none', () => {
    expect(noiseOf({ members: 4, noiseMicro: 0, toleratedMicro: 0 }).rho).toBe(Infinity)
  })
})

/** Delta of the Gaussian mechanism at epsilon (Balle and Wang 2018, theorem 8). */
function exactDelta(sigma: number, epsilon: number): number {
  const shift = epsilon * sigma
  const half = 1 / (2 * sigma)
  return cumulative(half - shift) - Math.exp(epsilon) * cumulative(-half - shift)
}

/** Of the normal distribution, by its tail's integral. */
function cumulative(x: number): number {
  const steps = 20_000
  const [from, to] = [Math.min(x, 0) - 12, x]
  const width = (to - from) / steps
  let sum = 0
  for (let step = 0; step < steps; step++) {
    const at = from + (step + 0.5) * width
    sum += Math.exp((-at * at) / 2) * width
  }
  return sum / Math.sqrt(2 * Math.PI)
}
