import { keccak_256 } from '@noble/hashes/sha3.js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { keccak256 } from './keccak256.ts'

describe('keccak256', () => {
  test('gives the known hashes of nothing and of "abc"', () => {
    const hex = (text: string) =>
      Buffer.from(keccak256(new TextEncoder().encode(text))).toString('hex')
    expect(hex('')).toBe('c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470')
    expect(hex('abc')).toBe('4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45')
  })

  test('agrees with @noble/hashes on every length around a block', () => {
    for (let length = 0; length <= 3 * 136; length++) {
      const bytes = Uint8Array.from({ length }, (_, i) => (7 * i + length) & 255)
      expect(keccak256(bytes)).toEqual(keccak_256(bytes))
    }
  })

  test('agrees with @noble/hashes on any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2_000 }), (bytes) => {
        expect(keccak256(bytes)).toEqual(keccak_256(bytes))
      }),
      { numRuns: 300 },
    )
  })

  test('takes more than fits its memory at once, also to the last byte of it', () => {
    const room = 400 * 136
    for (const length of [room - 1, room, room + 1, 2 * room, 5 * room + 77]) {
      const bytes = Uint8Array.from({ length }, (_, i) => (i * i) & 255)
      expect(keccak256(bytes)).toEqual(keccak_256(bytes))
    }
  })

  test('gives bytes that the next call does not change', () => {
    const first = keccak256(Uint8Array.of(1))
    const kept = Uint8Array.from(first)
    keccak256(Uint8Array.of(2))
    expect(first).toEqual(kept)
    expect(first.buffer.byteLength).toBe(32)
  })

  test('hashes a view of a larger buffer, and no more than the view', () => {
    const buffer = Uint8Array.from({ length: 100 }, (_, i) => i)
    expect(keccak256(buffer.subarray(10, 42))).toEqual(keccak_256(buffer.slice(10, 42)))
  })
})
