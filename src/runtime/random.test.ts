import { describe, expect, test } from 'vitest'
import { randomCompliance } from './compliance.ts'
import { seededRandom } from './seededRandom.ts'
import { systemRandom } from './systemRandom.ts'

describe('systemRandom', () => {
  randomCompliance(systemRandom)
})

describe('seededRandom', () => {
  randomCompliance(() => seededRandom(7))

  test('repeats itself for the same seed only', () => {
    const draw = (seed: number) => {
      const random = seededRandom(seed)
      return [random.next(), random.next(), ...random.bytes(4)]
    }
    expect(draw(1)).toEqual(draw(1))
    expect(draw(1)).not.toEqual(draw(2))
  })
})
