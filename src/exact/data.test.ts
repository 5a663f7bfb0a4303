import { describe, expect, test } from 'vitest'
import { batchOf, DataError, textOf, tokensOf } from './data.ts'
import { philoxWord } from './philox.ts'

const data = Uint8Array.from({ length: 1000 }, (_, index) => index % 251)
const options = { seed: [3, 4], step: 5, rows: 4, length: 9 } as const

describe('batchOf', () => {
  test('rows are consecutive bytes', () => {
    const tokens = batchOf(data, options)
    expect(tokens).toHaveLength(36)
    for (let row = 0; row < 4; row++)
      for (let i = 1; i < 9; i++)
        expect(tokens[row * 9 + i]).toBe((tokens[row * 9 + i - 1]! + 1) % 251)
  })

  test('begins where 64 bits of Philox say', () => {
    const draw = { seed: options.seed, step: 5, stream: 0x4000_0000 }
    const random = (BigInt(philoxWord(draw, 2)) << 32n) + BigInt(philoxWord(draw, 3))
    const begin = Number((random * 992n) / 2n ** 64n)
    expect(batchOf(data, options)[9]).toBe(begin % 251)
  })

  test('is the same for the same seed, step and worker, and another for any other', () => {
    const first = batchOf(data, options)
    expect(batchOf(data, options)).toEqual(first)
    expect(batchOf(data, { ...options, step: 6 })).not.toEqual(first)
    expect(batchOf(data, { ...options, worker: 1 })).not.toEqual(first)
    expect(batchOf(data, { ...options, seed: [4, 3] })).not.toEqual(first)
  })

  test('reaches the first byte and the last', () => {
    const begins = Array.from(
      { length: 200 },
      (_, step) => batchOf(data.subarray(0, 12), { ...options, step, rows: 1 })[0]!,
    )
    expect(new Set(begins)).toEqual(new Set([0, 1, 2, 3]))
  })

  test('data as long as a row gives the one row there is', () => {
    expect([...batchOf(data.subarray(0, 9), { ...options, rows: 1 })]).toEqual([
      0, 1, 2, 3, 4, 5, 6, 7, 8,
    ])
  })

  test('data shorter than a row is refused, and the error says by how much', () => {
    expect(() => batchOf(data.subarray(0, 8), options)).toThrow(DataError)
    expect(() => batchOf(data.subarray(0, 8), options)).toThrow('has 8 bytes and a row takes 9')
  })
})

describe('tokensOf and textOf', () => {
  test('are the bytes of a text, there and back', () => {
    expect([...tokensOf('aé')]).toEqual([97, 195, 169])
    expect(textOf(tokensOf('naïve €'))).toBe('naïve €')
  })

  test('half a character becomes a replacement', () => {
    expect(textOf([97, 195])).toBe('a\ufffd')
  })
})
