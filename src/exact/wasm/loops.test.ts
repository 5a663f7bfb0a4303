import { describe, expect, test } from 'vitest'
import { broadcastStrides, loopsOver, strides } from './loops.ts'

describe('strides', () => {
  test('are row-major', () => {
    expect(strides([2, 3, 4])).toEqual([12, 4, 1])
    expect(strides([])).toEqual([])
  })
})

describe('broadcastStrides', () => {
  test('are zero where a tensor repeats', () => {
    expect(broadcastStrides([3, 1], [2, 3, 4])).toEqual([0, 1, 0])
    expect(broadcastStrides([], [2, 3])).toEqual([0, 0])
  })
})

describe('loopsOver', () => {
  test('makes one loop of what lies side by side', () => {
    expect(loopsOver([2, 3, 4], [strides([2, 3, 4])])).toEqual([{ size: 24, strides: [1] }])
  })

  test('keeps apart what an operand repeats, and leaves out single places', () => {
    const shape = [2, 1, 3, 4]
    const operands = [strides(shape), broadcastStrides([3, 4], shape)]
    expect(loopsOver(shape, operands)).toEqual([
      { size: 2, strides: [12, 0] },
      { size: 12, strides: [1, 1] },
    ])
  })

  test('has one loop over a scalar', () => {
    expect(loopsOver([], [[]])).toEqual([{ size: 1, strides: [1] }])
  })
})
