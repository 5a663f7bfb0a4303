import { describe, expect, test } from 'vitest'
import { philox, philoxWord } from './philox.ts'

describe('philox', () => {
  // The lines "philox4x32 10" of tests/kat_vectors in Random123, the authors' own library.
  test.each([
    [
      '00000000 00000000 00000000 00000000',
      '00000000 00000000',
      '6627e8d5 e169c58d bc57ac4c 9b00dbd8',
    ],
    [
      'ffffffff ffffffff ffffffff ffffffff',
      'ffffffff ffffffff',
      '408f276d 41c83b0e a20bc7c6 6d5451fd',
    ],
    [
      '243f6a88 85a308d3 13198a2e 03707344',
      'a4093822 299f31d0',
      'd16cfe09 94fdcceb 5001e420 24126ea1',
    ],
  ])('of counter %s and key %s is %s', (counter, key, expected) => {
    const [c0, c1, c2, c3] = words(counter)
    const [k0, k1] = words(key)
    expect(philox([c0!, c1!, c2!, c3!], [k0!, k1!])).toEqual(words(expected))
  })

  test('changes about half of the bits when one bit of the counter changes', () => {
    let changed = 0
    for (let bit = 0; bit < 32; bit++) {
      const [a, b] = [philox([0, 0, 0, 0], [1, 2]), philox([(1 << bit) >>> 0, 0, 0, 0], [1, 2])]
      changed += a.reduce((sum, word, i) => sum + ones(word ^ b[i]!), 0)
    }
    expect(changed / 32).toBeGreaterThan(58)
    expect(changed / 32).toBeLessThan(70)
  })
})

describe('philoxWord', () => {
  const seed = [3, 4] as const

  test('is one word of the block of its element', () => {
    const draw = { seed, stream: 9, step: 5 }
    expect([4, 5, 6, 7].map((element) => philoxWord(draw, element))).toEqual([
      ...philox([1, 5, 9, 0], seed),
    ])
  })

  test('differs by seed, stream and step', () => {
    const draws = [
      { seed, stream: 0, step: 0 },
      { seed, stream: 1, step: 0 },
      { seed, stream: 0, step: 1 },
      { seed: [4, 3] as const, stream: 0, step: 0 },
    ]
    expect(new Set(draws.map((draw) => philoxWord(draw, 0))).size).toBe(4)
  })
})

function words(text: string): readonly number[] {
  return text.split(' ').map((word) => Number.parseInt(word, 16))
}

function ones(word: number): number {
  return (word >>> 0).toString(2).replaceAll('0', '').length
}
