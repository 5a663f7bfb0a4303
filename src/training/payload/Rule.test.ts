import { describe, expect, test } from 'vitest'
import { trainingOrder } from '../../../test/trainingOrder.ts'
import { noise } from '../../../test/noise.ts'
import { formIn, fragmentIn, greatestBytes } from './Rule.ts'
import { encode, from } from './Update.ts'

const buyer = `0x${'11'.repeat(20)}` as const

describe('formIn', () => {
  test('says for each rule what is sent', () => {
    const formOf = (rule: string, round: number) =>
      formIn(trainingOrder({ buyer, rule, rounds: 100 }), { length: 10, round })
    expect(formOf('sparse', 0)).toEqual({ length: 10, kept: 1024 })
    expect(formOf('sparse', 99)).toEqual({ length: 10, kept: 64 })
    expect(formOf('diloco', 7)).toEqual({ length: 10, begin: 0, end: 10, bits: 16 })
    expect(formOf('data-parallel', 7)).toEqual({ length: 10, begin: 0, end: 10, bits: 16 })
    expect(formOf('streaming', 5)).toEqual({ length: 10, begin: 2, end: 5, bits: 4 })
  })
})

describe('fragmentIn', () => {
  test('cuts the whole vector into parts without gap or overlap', () => {
    const order = trainingOrder({ buyer, rule: 'streaming', fragments: 7 })
    let next = 0
    for (let round = 0; round < 7; round++) {
      const { begin, end } = fragmentIn(order, { length: 1000, round })
      expect(begin).toBe(next)
      next = end
    }
    expect(next).toBe(1000)
  })
})

describe('greatestBytes', () => {
  test.each(['sparse', 'diloco', 'streaming', 'data-parallel'])('is enough for %s', (rule) => {
    const order = trainingOrder({ buyer, rule, rounds: 9, fragments: 3 })
    for (const length of [1, 100, 8191, 12_289])
      for (let round = 0; round < 9; round++) {
        const bytes = encode(from(noise(length, round), formIn(order, { length, round })))
        expect(bytes.byteLength).toBeLessThanOrEqual(greatestBytes(order, length))
      }
  })
})
