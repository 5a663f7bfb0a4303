import { describe, expect, test } from 'vitest'
import { stepsOfCompletion } from './ExactClaim.ts'

describe('stepsOfCompletion', () => {
  const usage = { inputTokens: 15, outputTokens: 48 }

  test('reads all tokens but the last', () => {
    expect(stepsOfCompletion(usage, 'length')).toEqual({ least: 62, most: 62 })
  })

  test('may have made a token that ends the answer', () => {
    expect(stepsOfCompletion(usage, 'stop')).toEqual({ least: 62, most: 63 })
    expect(stepsOfCompletion({ inputTokens: 3, outputTokens: 0 }, 'stop')).toEqual({
      least: 2,
      most: 3,
    })
  })
})
