import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../runtime/seededRandom.ts'
import * as Q8 from './Q8.ts'

const bytesOf = (values: readonly number[]) => new Uint8Array(Float32Array.from(values).buffer)
const floatsOf = (bytes: Uint8Array) => [...new Float32Array(bytes.slice().buffer)]
const filled = (first: readonly number[]) => [
  ...first,
  ...Array.from({ length: 32 - first.length }, () => 0),
]

describe('quantise', () => {
  test('writes a scale and rounds halves away from zero', () => {
    const bytes = Q8.quantise(bytesOf(filled([127, -127, 0.5, -0.5, 1.49, 2.5])))
    expect([...bytes.subarray(0, 8)]).toEqual([0x00, 0x3c, 127, 129, 1, 255, 1, 3])
    expect(bytes).toHaveLength(34)
  })

  test('takes a block of zeros, and each block by itself', () => {
    const bytes = Q8.quantise(bytesOf([...filled([]), ...filled([254])]))
    expect([...bytes.subarray(0, 34)]).toEqual(Array.from({ length: 34 }, () => 0))
    expect([...bytes.subarray(34, 37)]).toEqual([0x00, 0x40, 127])
  })
})

describe('dequantise', () => {
  test('multiplies exactly', () => {
    const bytes = new Uint8Array(34)
    bytes.set([0x01, 0x3c, 127, 128])
    const scale = 1 + 2 ** -10
    expect(floatsOf(Q8.dequantise(bytes)).slice(0, 3)).toEqual([127 * scale, -128 * scale, 0])
  })

  test('gives back weights within half a step and the rounding of the scale', () => {
    const random = seededRandom(8)
    const values = Array.from({ length: 3200 }, () => Math.fround(random.next() - 0.5))
    const found = floatsOf(Q8.dequantise(Q8.quantise(bytesOf(values))))
    values.forEach((value, index) => {
      const block = values.slice(index - (index % 32), index - (index % 32) + 32)
      const largest = Math.max(...block.map(Math.abs))
      expect(Math.abs(found[index]! - value)).toBeLessThan(largest * (0.5 / 127 + 2 ** -11))
    })
  })

  test('is stable: the second time gives the same integers', () => {
    const once = Q8.quantise(bytesOf(filled([0.3, -0.2, 0.11])))
    expect(Q8.quantise(Q8.dequantise(once)).subarray(2)).toEqual(once.subarray(2))
  })
})
