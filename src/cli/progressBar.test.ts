import { describe, expect, test } from 'vitest'
import { progressBar } from './progressBar.ts'

describe('progressBar', () => {
  test.each([
    [0, '[          ]'],
    [0.34, '[===       ]'],
    [1, '[==========]'],
    [1.2, '[==========]'],
  ])('shows %d of ten places', (part, bar) => {
    expect(progressBar(part, { width: 10 })).toBe(bar)
  })
})
