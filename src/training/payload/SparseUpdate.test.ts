import { describe, expect, test } from 'vitest'
import { noise } from '../../../test/noise.ts'
import { choose, decode, encode, forEach, greatestBytes, squaredNorm } from './SparseUpdate.ts'

describe('choose', () => {
  test('keeps the greatest magnitudes of each block, the first of equal ones', () => {
    const vector = new Float32Array(4096 + 10)
    vector.set([1, -8, 8, 8, -2], 100)
    vector[4096 + 3] = -0.25
    const { indices, negative, exponents } = choose(vector, 2)
    expect([...indices]).toEqual([101, 102, 4099])
    expect([...negative]).toEqual([1, 0, 1])
    expect([...exponents]).toEqual([0, -2])
  })

  test('agrees with sorting, whatever the numbers', () => {
    for (const kept of [1, 3, 64, 1024, 4096]) {
      const vector = noise(4096, kept)
      const order = Array.from(vector.keys()).toSorted(
        (a, b) => Math.abs(vector[b]!) - Math.abs(vector[a]!) || a - b,
      )
      const expected = order.slice(0, kept).toSorted((a, b) => a - b)
      expect([...choose(vector, kept).indices]).toEqual(expected)
    }
  })

  test('scales by the power of two nearest to the mean magnitude', () => {
    const exponentOf = (magnitude: number) =>
      choose(new Float32Array(4096).fill(magnitude), 8).exponents[0]
    expect([0.25, 0.35, 0.36, 0.7, 0.71].map(exponentOf)).toEqual([-2, -2, -1, -1, 0])
    expect([0, 1e-30, 1e30].map(exponentOf)).toEqual([-40, -40, 0])
  })

  test('takes NaN and infinities for zero', () => {
    const vector = Float32Array.from({ length: 4096 }, (_, index) => (index < 5 ? 0.5 : 0))
    vector.set([NaN, Infinity, -Infinity], 50)
    const { indices, exponents } = choose(vector, 5)
    expect([...indices]).toEqual([0, 1, 2, 3, 4])
    expect(exponents[0]).toBe(-1)
  })

  test('refuses to keep nothing, or more than there is', () => {
    for (const kept of [0, -1, 1.5, 4097, NaN])
      expect(() => choose(new Float32Array(8), kept)).toThrow('keeps 1 to 4096')
  })
})

describe('encode and decode', () => {
  test.each([1, 5, 64, 700, 4096])('give back an update that keeps %i', (kept) => {
    for (const length of [1, 63, 4096, 4097, 3 * 4096 + 17]) {
      const update = choose(noise(length, kept), kept)
      const bytes = encode(update)
      expect(decode(bytes, { length, kept })).toEqual(update)
      expect(bytes.byteLength).toBeLessThanOrEqual(greatestBytes(length, kept))
    }
  })

  test('take at most 0.136 bits a parameter when 64 of 4,096 are kept', () => {
    const length = 64 * 4096
    const bytes = encode(choose(noise(length, 1), 64))
    expect((bytes.byteLength * 8) / length).toBeLessThan(0.136)
  })

  test('refuse whatever encode would not write', () => {
    const form = { length: 5000, kept: 16 }
    const bytes = encode(choose(noise(form.length, 1), form.kept))
    const broken = (change: (copy: Uint8Array) => Uint8Array) => () =>
      decode(change(bytes.slice()), form)
    expect(broken((copy) => copy.subarray(0, -1))).toThrow('ends too early')
    expect(broken((copy) => Uint8Array.of(...copy, 0))).toThrow('goes on after')
    expect(broken((copy) => copy.fill(3, 0, 1))).toThrow('another number')
    expect(broken((copy) => copy.fill(60, 1, 2))).toThrow('2^60')
    expect(broken((copy) => copy.fill(255, 3))).toThrow('out of its block')
    expect(broken(() => new Uint8Array(10_000))).toThrow('more than any')
  })

  test('never read random bytes into anything but an update that encodes to them', () => {
    for (let seed = 0; seed < 300; seed++) {
      const bytes = new Uint8Array(noise(16, seed).buffer)
      bytes[0] = 8
      bytes[1] = 0xf0
      try {
        expect(encode(decode(bytes, { length: 100, kept: 16 }))).toEqual(bytes)
      } catch (error) {
        expect(error).toMatchObject({ code: 'Training.PayloadError' })
      }
    }
  })
})

describe('squaredNorm', () => {
  test('is that of what the update stands for', () => {
    const update = choose(noise(10_000, 2), 100)
    let sum = 0
    forEach(update, (_, value) => (sum += value * value))
    expect(squaredNorm(update)).toBe(sum)
  })
})
