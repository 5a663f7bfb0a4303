import { describe, expect, test } from 'vitest'
import { trainingOrder } from '../../../test/trainingOrder.ts'
import { zero } from '../Hex.ts'
import { aggregations, problemOf, rules, type TrainingOrder } from './TrainingOrder.ts'

const buyer = `0x${'11'.repeat(20)}` as const
const problem = (changes: Partial<TrainingOrder>) => problemOf(trainingOrder({ buyer, ...changes }))

describe('problemOf', () => {
  test('has nothing against any rule with any aggregation', () => {
    for (const rule of rules)
      for (const aggregation of aggregations)
        expect(problem({ rule, aggregation, steps: 1 })).toBeUndefined()
    expect(problem({ overlap: true })).toBeUndefined()
  })

  test('lets any trainer be scored, and not claim', () => {
    expect(problem({ trainer: 'any', auditMicro: 500_000 })).toBeUndefined()
    const claims = { trainer: 'any', tier: 'exact', bondMicroUsd: 1n }
    expect(problem(claims)).toMatch(/cannot be run again/)
  })

  test.each([
    [{ rule: 'gossip' }, 'the rule gossip is not known'],
    [{ aggregation: 'vote' }, 'the aggregation vote is not known'],
    [{ rule: 'streaming', fragments: 0 }, 'there are 1 to 1024 fragments, not 0'],
    [{ keptFirst: 64, keptLast: 65 }, 'of 4,096 entries 64 and then 65 are to be sent'],
    [{ rule: 'data-parallel', steps: 2 }, 'rounds of data-parallel have one step'],
    [{ rule: 'data-parallel', steps: 1, overlap: true }, 'data-parallel cannot overlap'],
  ])('says what is wrong with %o', (changes, expected) => {
    expect(problem(changes)).toBe(expected)
  })

  const sums = {
    privacy: 'sums',
    rule: 'diloco',
    data: zero,
    minWorkers: 3,
    clipMicro: 1_000_000,
    noiseMicro: 1_000_000,
    rhoMicro: 500_000,
    deltaPico: 10_000_000,
  }
  test('has nothing against sums with a budget for one of them, or without noise', () => {
    expect(problem(sums)).toBeUndefined()
    expect(problem({ ...sums, noiseMicro: 0, rhoMicro: 0, deltaPico: 0 })).toBeUndefined()
  })

  test.each([
    [{ privacy: 'some' }, 'the privacy some is not known'],
    [{ privacy: 'none' }, 'clipping, noise and budget are of privacy sums'],
    [{ rule: 'sparse' }, /^privacy sums takes the rule diloco/],
    [{ aggregation: 'krum' }, /^privacy sums takes the rule diloco/],
    [{ data: buyer.padEnd(66, '1') as `0x${string}` }, /^private data cannot be checked/],
    [{ auditMicro: 1 }, /^private data cannot be checked/],
    [{ minWorkers: 2 }, 'a sum is of 3 to 1000 workers'],
    [{ maxWorkers: 1001 }, 'a sum is of 3 to 1000 workers'],
    [{ clipMicro: 0 }, 'privacy sums takes a clipping norm'],
    [{ toleratedMicro: 500_001 }, 'the noise of at least half of the workers is counted on'],
    [{ noiseMicro: 999 }, /^noise is 0, or/],
    [{ deltaPico: 0 }, 'noise takes a delta between 0 and 1'],
    [{ rhoMicro: 499_999 }, 'the budget of privacy is less than one sum costs'],
  ])('says what is wrong with sums and %o', (changes, expected) => {
    expect(problem({ ...sums, ...changes })).toMatch(expected)
  })
})
