import { describe, expect, test } from 'vitest'
import { noise } from '../../../test/noise.ts'
import { PayloadError } from '../payload/PayloadError.ts'
import { decode, encode, meanOf, toUnits, unitsPerClip } from './Units.ts'

const squared = (units: Int32Array) => units.reduce((sum, each) => sum + each * each, 0)

describe('toUnits', () => {
  test('brings a long vector down to the norm, and never over it', () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const vector = noise(1000, seed).map((each) => each * 10 ** (seed - 3))
      const clip = Math.sqrt(vector.reduce((sum, each) => sum + each * each, 0)) / 3
      const units = toUnits(vector, clip)
      expect(squared(units)).toBeLessThanOrEqual(unitsPerClip ** 2)
      expect(Math.sqrt(squared(units)) / unitsPerClip).toBeGreaterThan(0.99)
    }
  })

  test('leaves a short vector as long as it is, to a unit an entry', () => {
    const units = toUnits(Float32Array.of(0.25, -0.5, 0), 1)
    expect([...units]).toEqual([unitsPerClip / 4, -unitsPerClip / 2, 0])
  })

  test('counts what is not a vector as zeros', () => {
    expect([...toUnits(Float32Array.of(1, Number.NaN), 1)]).toEqual([0, 0])
    expect([...toUnits(Float32Array.of(1, -Infinity), 1)]).toEqual([0, 0])
    expect([...toUnits(new Float32Array(2), 1)]).toEqual([0, 0])
  })
})

describe('meanOf', () => {
  test('gives the mean back, to a unit', () => {
    const vectors = [1, 2, 3].map((seed) => noise(64, seed))
    const sum = new Int32Array(64)
    for (const each of vectors) toUnits(each, 20).forEach((unit, at) => (sum[at]! += unit))
    const mean = meanOf(sum, { clip: 20, count: 3 })
    mean.forEach((each, at) => {
      const expected = vectors.reduce((total, vector) => total + vector[at]! / 3, 0)
      expect(Math.abs(each - expected)).toBeLessThan(20 / unitsPerClip + 1e-6)
    })
  })
})

describe('encode', () => {
  test('is what decode reads', () => {
    const words = Uint32Array.of(0, 1, 2 ** 32 - 1)
    expect(decode(encode(words), 3)).toEqual(words)
  })
})

describe('decode', () => {
  test('refuses another length', () => {
    for (const length of [0, 4, 11, 13, 16])
      expect(() => decode(new Uint8Array(length), 3)).toThrow(PayloadError)
  })
})
