import { describe, expect, test } from 'vitest'
import { source, edges } from './compliance/Case.ts'
import { exactFma } from '../../test/exactFractions.ts'
import { fma32 } from './fma32.ts'
import { bitsOf, floatOf } from './Program.ts'

describe('fma32', () => {
  test('rounds once where a product and a sum would round twice', () => {
    const a = 1 + 2 ** -12
    expect(fma32(a, a, -(1 + 2 ** -11))).toBe(2 ** -24)
    expect(Math.fround(Math.fround(a * a) - (1 + 2 ** -11))).toBe(0)
  })

  test('breaks a tie by what lies far below it', () => {
    const [tie, tiny] = [1 + 2 ** -23, 2 ** -100]
    const half = 2 ** -24
    expect(fma32(half, 1, tie)).toBe(1 + 2 ** -22)
    expect(fma32(half, 1 - half, tie)).toBe(tie)
    // The sum in f64 is the tie itself: only what it lost says on which side.
    const product = 1 + 2 ** -12
    const exact = product * product
    expect(fma32(product, product, tiny)).toBe(Math.fround(exact + 2 ** -40))
    expect(fma32(product, product, -tiny)).toBe(Math.fround(exact - 2 ** -40))
    expect(fma32(-product, product, tiny)).toBe(-Math.fround(exact - 2 ** -40))
  })

  test('keeps the signs of zero', () => {
    expect(fma32(0, -1, 0)).toBe(0)
    expect(fma32(0, -1, -0)).toBe(-0)
    expect(fma32(2, 3, -6)).toBe(0)
    expect(fma32(-(2 ** -100), 2 ** -100, 0)).toBe(-0)
  })

  test('rounds subnormal results once', () => {
    const least = 2 ** -149
    expect(fma32(least, 0.5, 0)).toBe(0)
    expect(fma32(least, 0.5, least)).toBe(2 * least)
    expect(fma32(least, Math.fround(0.5 - 2 ** -20), least)).toBe(least)
    expect(fma32(2 ** -75, 2 ** -75, 2 ** -126)).toBe(2 ** -126)
    expect(fma32(2 ** -75, 2 ** -75, 3 * least)).toBe(4 * least)
    expect(fma32(2 ** -75, -(2 ** -75), 3 * least)).toBe(2 * least)
  })

  test('overflows to infinity and gives NaN as IEEE-754 says', () => {
    const largest = floatOf(0x7f7f_ffff)
    expect(fma32(largest, 1, 2 ** 103)).toBe(Infinity)
    expect(fma32(largest, 1, floatOf(bitsOf(2 ** 103) - 1))).toBe(largest)
    expect(fma32(largest, 2, -Infinity)).toBe(-Infinity)
    expect(fma32(largest, 2, -largest)).toBe(largest)
    expect(fma32(0, Infinity, 1)).toBeNaN()
    expect(fma32(1, Infinity, -Infinity)).toBeNaN()
    expect(fma32(NaN, 1, 1)).toBeNaN()
  })

  test('agrees with exact fractions on every triple of edges and on random triples', () => {
    for (const a of edges) for (const b of edges) for (const c of edges) expectExact(a, b, c)
    const next = source('triples')
    for (let i = 0; i < 20_000; i++) {
      const [a, b] = [next(), next()]
      // Now and then nearly the opposite of the product.
      const near = bitsOf(-(floatOf(a) * floatOf(b))) + (next() % 5) - 2
      expectExact(a, b, next() % 2 === 0 ? next() : near >>> 0)
    }
  })
})

function expectExact(a: number, b: number, c: number): void {
  const triple = [floatOf(a), floatOf(b), floatOf(c)] as const
  const [found, expected] = [fma32(...triple), exactFma(...triple)]
  if (!Object.is(found, expected)) expect({ triple, found }).toEqual({ triple, found: expected })
}
