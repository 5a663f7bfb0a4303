import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { noise } from '../../../test/noise.ts'
import { bytesOf, decode, encode, forEach, quantise } from './DenseUpdate.ts'

const whole = (length: number, bits = 16) => ({ length, begin: 0, end: length, bits })

describe('quantise', () => {
  test('comes within half a unit of every entry, unit and range being of its block', () => {
    for (const bits of [2, 4, 8, 16]) {
      const vector = noise(4096 + 10, bits).map((each) => each / 100)
      const { exponents } = quantise(vector, whole(vector.length, bits))
      const sent = new Float64Array(vector.length)
      forEach(quantise(vector, whole(vector.length, bits)), (at, value) => (sent[at] = value))
      vector.forEach((each, at) => {
        const unit = 2 ** exponents[Math.floor(at / 4096)]!
        expect(Math.abs(each - sent[at]!)).toBeLessThanOrEqual(unit)
      })
    }
  })

  test('sends nothing outside its fragment, and takes NaN and infinities for zero', () => {
    const vector = Float32Array.of(1, NaN, 0.5, -Infinity, -0.25, 1)
    const seen: [number, number][] = []
    const update = quantise(vector, { length: 6, begin: 1, end: 5, bits: 4 })
    forEach(update, (at, value) => seen.push([at, value]))
    expect(seen).toEqual([
      [2, 0.5],
      [4, -0.25],
    ])
  })

  test('holds every entry below 2, so that sums stay exact', () => {
    for (const bits of [2, 4, 16])
      forEach(quantise(Float32Array.of(1e9, -1e9), whole(2, bits)), (_, value) =>
        expect(Math.abs(value)).toBeLessThan(2),
      )
  })
})

describe('encode and decode', () => {
  test.each([2, 4, 5, 16])('give back an update of %i bits', (bits) => {
    for (const length of [1, 4096, 4097, 9001]) {
      const form = { length: length + 7, begin: 3, end: 3 + length, bits }
      const update = quantise(noise(length + 7, bits), form)
      const bytes = encode(update)
      expect(bytes.byteLength).toBe(bytesOf(form))
      expect(decode(bytes, form)).toEqual(update)
    }
  })

  test('refuse whatever encode would not write', () => {
    const form = whole(100, 4)
    const bytes = encode(quantise(noise(100, 1), form))
    const broken = (change: (copy: Uint8Array) => Uint8Array) => () =>
      decode(change(bytes.slice()), form)
    expect(broken((copy) => copy.subarray(1))).toThrow('one of this round has 51')
    expect(broken((copy) => Uint8Array.of(...copy, 0))).toThrow('has 52 bytes')
    expect(broken((copy) => copy.fill(60, 0, 1))).toThrow('the scale 2^60')
    expect(broken((copy) => copy.fill(0x88, 1))).toThrow('stands for nothing')
    const odd = whole(3, 4)
    expect(() => decode(Uint8Array.of(0xd8, 0, 0xf0), odd)).toThrow('goes on after')
  })

  test('never read random bytes into anything but an update that encodes to them', () => {
    const form = { length: 40, begin: 5, end: 25, bits: 3 }
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 8, maxLength: 9 }), (bytes) => {
        bytes[0] = 0xd8 + (bytes[0]! % 40)
        try {
          expect(encode(decode(bytes, form))).toEqual(bytes)
        } catch (error) {
          expect(error).toMatchObject({ code: 'Training.PayloadError' })
        }
      }),
    )
  })
})
