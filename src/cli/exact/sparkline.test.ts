import { describe, expect, test } from 'vitest'
import { bucketMeans, sparkline } from './sparkline.ts'

describe('sparkline', () => {
  test('is low for the least and high for the greatest', () => {
    expect(sparkline([0, 1, 2, 3, 4, 5, 6, 7], 8)).toBe('▁▂▃▄▅▆▇█')
    expect(sparkline([3, 1], 8)).toBe('█▁')
  })

  test('shows means where there is no room, leaves out what is no number', () => {
    expect(sparkline([0, 2, 9, 7], 2)).toBe('▁█')
    expect(sparkline([Number.NaN, 1, Infinity], 5)).toBe('▁')
    expect(sparkline([], 5)).toBe('')
    expect(sparkline([4, 4, 4], 5)).toBe('▁▁▁')
  })
})

describe('bucketMeans', () => {
  test('counts every number once', () => {
    expect(bucketMeans([1, 2, 3, 4, 5], 2)).toEqual([1.5, 4])
    expect(bucketMeans([1, 2], 5)).toEqual([1, 2])
  })
})
