import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { noise } from '../../../test/noise.ts'
import { type Contribution, mean } from './mean.ts'
import { centredClipping, krum, trimmedMean } from './robust.ts'
import { from } from './Update.ts'

const length = 600
const dense = { length, begin: 0, end: length, bits: 8 }
/** Honest workers mean the same thing, each with its own noise. */
const honest = (seed: number): Contribution => {
  const [signal, own] = [noise(length, 999), noise(length, seed)]
  const vector = signal.map((each, at) => (each + own[at]! * 0.3) / 50)
  return { update: from(vector, dense), weight: 10 + (seed % 3) }
}
const lies: Readonly<Record<string, (seed: number) => Contribution>> = {
  noise: (seed) => ({ update: from(noise(length, seed + 5000), dense), weight: 10 }),
  sign: () => ({
    update: from(
      noise(length, 999).map((each) => -each / 50),
      dense,
    ),
    weight: 12,
  }),
  great: () => ({ update: from(new Float32Array(length).fill(1.9), dense), weight: 12 }),
}
const ways: Readonly<Record<string, (all: readonly Contribution[]) => Float32Array>> = {
  'trimmed mean': (all) => trimmedMean(all, 3),
  'centred clipping': (all) => centredClipping(all),
  krum: (all) => krum(all, 3),
  mean: (all) => mean(all),
}

describe.each(Object.entries(ways))('%s', (_, join) => {
  test('gives the same bits whatever order the updates come in', () => {
    const sparse = { length, kept: 512 }
    const all = Array.from({ length: 9 }, (_, seed) =>
      seed % 3 === 0
        ? { update: from(noise(length, seed), sparse), weight: 1 + seed }
        : honest(seed % 5),
    )
    const expected = join(all)
    fc.assert(
      fc.property(fc.shuffledSubarray(all, { minLength: all.length }), (shuffled) => {
        expect(join(shuffled)).toEqual(expected)
      }),
      { numRuns: 30 },
    )
  })

  test('gives what all mean when all mean the same', () => {
    const one = honest(1)
    const alike = Array.from({ length: 9 }, () => one)
    const result = join(alike)
    mean([one]).forEach((each, at) => expect(result[at]).toBeCloseTo(each, 8))
  })

  test('refuses what mean refuses', () => {
    expect(() => join([])).toThrow('nothing to aggregate')
    expect(() => join([{ ...honest(1), weight: 5000 }])).toThrow('up to 4,096')
  })
})

describe.each([1, 2, 3])('of 9 workers %i lie', (count) => {
  const good = Array.from({ length: 9 - count }, (_, seed) => honest(seed))
  const bad = Object.entries(lies).map(([kind, lie]) => ({
    kind,
    all: [...good, ...Array.from({ length: count }, (_, seed) => lie(seed))],
  }))

  test.each(bad)('$kind: trimmed mean stays among the honest, entry by entry', ({ all }) => {
    const vectors = good.map((each) => mean([each]))
    trimmedMean(all, 3).forEach((each, at) => {
      const values = vectors.map((vector) => vector[at]!)
      expect(each).toBeGreaterThanOrEqual(Math.min(...values))
      expect(each).toBeLessThanOrEqual(Math.max(...values))
    })
  })

  test.each(bad)('$kind: krum takes no liar that is far away', ({ all }) => {
    const result = krum(all, count)
    expect(result).toEqual(mean(good))
  })

  test.each(bad)('$kind: centred clipping stays as near as the honest are', ({ all }) => {
    const middle = mean(good)
    const reach = Math.max(...good.map((each) => distance(mean([each]), middle)))
    expect(distance(centredClipping(all), middle)).toBeLessThan(2 * reach)
  })
})

test('krum takes the plain mean of too few to tell a liar', () => {
  const few = [honest(1), honest(2), lies['great']!(0)]
  expect(krum(few, 1)).toEqual(mean(few))
})

function distance(a: Float32Array, b: Float32Array): number {
  return Math.sqrt(a.reduce((sum, each, at) => sum + (each - b[at]!) ** 2, 0))
}
