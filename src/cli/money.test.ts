import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatUsd, parseUsd } from './money.ts'

describe('formatUsd', () => {
  test.each([
    [0n, '$0.00'],
    [1n, '$0.000001'],
    [4_200n, '$0.0042'],
    [12_500_000n, '$12.50'],
    [-1_000_000n, '-$1.00'],
    [1_234_567_890_123n, '$1234567.890123'],
  ])('%s is %s', (amount, text) => expect(formatUsd(amount)).toBe(text))
})

describe('parseUsd', () => {
  test('reads back what formatUsd shows', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 10n ** 17n }), (amount) => {
        expect(parseUsd(formatUsd(amount))).toBe(amount)
      }),
    )
  })

  test.each(['', '-1', '1.', '.5', '1e3', '1.2345678', 'ten', '1,5'])('refuses %j', (text) => {
    expect(() => parseUsd(text)).toThrow('amount in USD')
  })
})
