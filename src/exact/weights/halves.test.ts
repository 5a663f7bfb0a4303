import { describe, expect, test } from 'vitest'
import { bitsOf, floatOf } from '../Program.ts'
import { narrowHalf, widen, widenHalf } from './halves.ts'

describe('widenHalf and narrowHalf', () => {
  test('go there and back for every half but the NaNs', () => {
    for (let half = 0; half < 65_536; half++) {
      const bits = widenHalf(half)
      const isNan = (half & 0x7c00) === 0x7c00 && (half & 0x3ff) !== 0
      if (isNan) expect(floatOf(bits)).toBeNaN()
      else if (narrowHalf(bits) !== half) expect(narrowHalf(bits)).toBe(half)
    }
  })

  test('narrow to the nearest, ties to even', () => {
    // Halfway between two halves, and one bit of f32 to each side.
    for (let half = 0; half < 0x7bff; half += 7) {
      const middle = bitsOf((floatOf(widenHalf(half)) + floatOf(widenHalf(half + 1))) / 2)
      const even = half % 2 === 0 ? half : half + 1
      expect([middle - 1, middle, middle + 1].map(narrowHalf)).toEqual([half, even, half + 1])
      expect(narrowHalf((middle | 0x8000_0000) >>> 0)).toBe(even | 0x8000)
    }
  })

  test.each([
    [65_504, 0x7bff],
    [65_519.996, 0x7bff],
    [65_520, 0x7c00],
    [Infinity, 0x7c00],
    [-1e30, 0xfc00],
    [2 ** -25, 0],
    [2 ** -24, 1],
    [1e-40, 0],
    [Number.NaN, 0x7e00],
  ])('narrow %d', (value, half) => {
    expect(narrowHalf(bitsOf(value))).toBe(half)
  })
})

describe('widen', () => {
  test('reads F16 and BF16', () => {
    const floats = (bytes: Uint8Array) => [...new Float32Array(bytes.slice().buffer)]
    expect(floats(widen('F16', Uint8Array.of(0, 0x3c, 1, 0)))).toEqual([1, 2 ** -24])
    expect(floats(widen('BF16', Uint8Array.of(0, 0xc0, 0x80, 0x7f)))).toEqual([-2, Infinity])
  })
})
