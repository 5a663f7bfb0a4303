import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type * as Hex from '../protocol/Hex.ts'
import { nextPass, route, type Choice } from './route.ts'

const choice = (number: number, facts: Partial<Choice> = {}): Choice => ({
  provider: `0x${number}` as Hex.Address,
  inFlight: 0,
  concurrency: 4,
  pass: 0,
  ...facts,
})

describe('route', () => {
  test('takes the lease with the smallest part of its places taken', () => {
    const [busy, idle] = [choice(1, { inFlight: 2 }), choice(2, { inFlight: 3, concurrency: 8 })]
    expect(route([busy, idle])).toBe(idle)
  })

  test('has no answer when every place is taken', () => {
    expect(route([choice(1, { inFlight: 4 })])).toBeUndefined()
    expect(route([])).toBeUndefined()
  })

  test('gives jobs in proportion to the weights', () => {
    const weights = fc.array(fc.double({ min: 0.1, max: 1, noNaN: true }), {
      minLength: 1,
      maxLength: 5,
    })
    fc.assert(
      fc.property(weights, (all) => {
        const passes = all.map(() => 0)
        const served = all.map(() => 0)
        for (let job = 0; job < 500; job++) {
          const best = route(passes.map((pass, index) => ({ ...choice(index), pass, index })))!
          served[best.index]!++
          passes[best.index] = nextPass(passes[best.index]!, all[best.index]!)
        }
        const sum = all.reduce((a, b) => a + b)
        all.forEach((weight, index) =>
          expect(Math.abs(served[index]! - (500 * weight) / sum)).toBeLessThan(all.length + 1),
        )
      }),
      { numRuns: 30 },
    )
  })
})

describe('nextPass', () => {
  test('moves less for a better lease, and is bounded for a bad one', () => {
    expect(nextPass(1, 1)).toBe(2)
    expect(nextPass(0, 0.5)).toBe(2)
    expect(nextPass(0, 0)).toBe(100)
  })
})
