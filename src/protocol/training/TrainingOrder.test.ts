import { describe, expect, test } from 'vitest'
import { trainingOrder } from '../../../test/trainingOrder.ts'
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
})
