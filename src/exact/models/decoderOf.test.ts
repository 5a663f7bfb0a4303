import { describe, expect, test } from 'vitest'
import { decoder } from './decoder.ts'
import { decoderOf } from './decoderOf.ts'

describe('decoderOf', () => {
  test('fills in what is missing, so that the decoder can be built', () => {
    const config = decoderOf()
    expect(config).toMatchObject({
      vocabulary: 256,
      width: 128,
      heads: 4,
      keyHeads: 4,
      headSize: 32,
    })
    expect(config.hidden).toBe(352)
    expect(decoder(config).parameters).toHaveLength(22)
  })

  test('keeps what is given', () => {
    const config = decoderOf({ width: 48, heads: 2, keyHeads: 1, hidden: 10, profile: 'i8' })
    expect(config).toMatchObject({ width: 48, headSize: 24, keyHeads: 1, hidden: 10 })
    expect(config.profiles).toEqual({ attention: 'i8', feedForward: 'i8', head: 'i8' })
    expect(decoderOf({ width: 50, heads: 3, headSize: 16 }).headSize).toBe(16)
  })

  test('refuses a width that the heads cannot share', () => {
    expect(() => decoderOf({ width: 50, heads: 3 })).toThrow(
      'A width of 50 cannot be split among 3',
    )
  })
})
