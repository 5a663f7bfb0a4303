import { describe, expect, test } from 'vitest'
import { trainingOrder } from '../../../test/trainingOrder.ts'
import { epsilonOf } from '../../training/private/Budget.ts'
import { privacyOf, wordsOf } from './privacy.ts'

const order = trainingOrder({ buyer: '0x1111111111111111111111111111111111111111' })
const noisy = { ...order, privacy: 'sums', noiseMicro: 1e6, rhoMicro: 2e6, deltaPico: 1e7 }

describe('privacyOf', () => {
  test('tells the epsilon of what was spent and of what may be, as the accountant has it', () => {
    const delta = 1e-5
    expect(privacyOf(noisy, { spentRho: 0.5 })).toEqual({
      epsilon: epsilonOf(0.5, delta),
      budget: epsilonOf(2, delta),
      delta,
    })
  })

  test('tells of none without noise, and nothing of a run that is not private', () => {
    expect(privacyOf({ ...noisy, noiseMicro: 0 }, { spentRho: Infinity })?.epsilon).toBe(null)
    expect(privacyOf(order, { spentRho: 0 })).toBe(null)
  })
})

describe('wordsOf', () => {
  test('says it in a line', () => {
    expect(wordsOf(privacyOf(noisy, { spentRho: 0.5 }))).toEqual([
      'Private: epsilon 4.728 of 10.725 spent, at delta 0.00001',
    ])
    expect(wordsOf(privacyOf({ ...noisy, noiseMicro: 0 }, { spentRho: Infinity }))).toHaveLength(1)
    expect(wordsOf(null)).toEqual([])
  })
})
