import { describe, expect, test } from 'vitest'
import { noise } from '../../../test/noise.ts'
import { clipToMedian } from './aggregate.ts'
import { annealedKept } from './annealedKept.ts'
import { accumulate, subtractSent } from './errorFeedback.ts'
import { mean } from './mean.ts'
import { choose, forEach } from './SparseUpdate.ts'
import { squaredNorm } from './Update.ts'

describe('mean', () => {
  test('does not depend on the order, to the bit', () => {
    const contributions = [1, 2, 3, 4, 5, 6, 7].map((seed) => ({
      update: choose(noise(9000, seed), 300),
      weight: seed * 11,
    }))
    const forward = mean(contributions)
    expect(mean(contributions.toReversed())).toEqual(forward)
    expect(mean([...contributions.slice(3), ...contributions.slice(0, 3)])).toEqual(forward)
  })

  test('weighs workers by their steps', () => {
    const half = choose(new Float32Array(4).fill(0.5), 4096)
    const other = choose(new Float32Array(4).fill(-0.25), 4096)
    const weighted = mean([
      { update: half, weight: 1 },
      { update: other, weight: 3 },
    ])
    expect([...weighted]).toEqual([-0.0625, -0.0625, -0.0625, -0.0625])
  })

  test('refuses nothing, updates of other lengths and weights out of bounds', () => {
    const update = choose(new Float32Array(4), 4)
    const longer = choose(new Float32Array(5), 4)
    const both = [update, longer].map((each) => ({ update: each, weight: 1 }))
    expect(() => mean([])).toThrow('nothing to aggregate')
    expect(() => mean(both)).toThrow('of one length')
    expect(() => mean([{ update, weight: 4097 }])).toThrow('up to 4,096')
    expect(() => mean([{ update, weight: 0.5 }])).toThrow('up to 4,096')
  })
})

describe('clipToMedian', () => {
  test('brings a loud update below twice the median and leaves the others', () => {
    const quiet = [1, 2, 3, 4].map((seed) => choose(noise(5000, seed), 50))
    const loud = choose(
      noise(5000, 9).map((each) => each * 60),
      50,
    )
    const clipped = clipToMedian([...quiet, loud])
    expect(clipped.slice(0, 4)).toEqual(quiet)
    const norms = clipped.map(squaredNorm)
    expect(norms[4]).toBeLessThanOrEqual(4 * norms.toSorted((a, b) => a - b)[2]!)
    expect(clipped[4]).toMatchObject({ indices: loud.indices })
  })
})

describe('error feedback', () => {
  test('what is not sent is sent later: the sum of all that is sent follows the sum of all deltas', () => {
    const size = 4096
    const error = new Float32Array(size)
    const sent = new Float64Array(size)
    const parent = new Float32Array(size)
    const delta = noise(size, 3)
    const trained = delta.map((each) => -each)
    for (let round = 0; round < 60; round++) {
      accumulate(error, { parent, trained })
      const update = choose(error, 512)
      subtractSent(error, update)
      forEach(update, (index, value) => (sent[index]! += value))
    }
    const dot = sent.reduce((sum, each, at) => sum + each * delta[at]!, 0)
    const cosine = dot / (norm(sent) * norm(delta))
    expect(cosine).toBeGreaterThan(0.9)
  })
})

describe('annealedKept', () => {
  test('falls by halves from the first to the last', () => {
    const plan = { rounds: 100 }
    expect([0, 9, 10, 25, 39, 40, 99].map((round) => annealedKept(round, plan))).toEqual([
      1024, 1024, 512, 256, 128, 64, 64,
    ])
    expect(annealedKept(0, { rounds: 10, first: 64, last: 64 })).toBe(64)
  })
})

function norm(vector: Float64Array | Float32Array): number {
  return Math.sqrt(Array.from(vector).reduce((sum, each) => sum + each * each, 0))
}
