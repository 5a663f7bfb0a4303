import { encodePacked, keccak256 } from 'viem'
import { describe, expect, test } from 'vitest'
import * as Assurance from './Assurance.ts'
import * as Lease from './Lease.ts'

describe('id', () => {
  test('is the hash that the Vault contract computes', () => {
    const buyer = `0x${'b1'.repeat(20)}` as const
    const provider = `0x${'a1'.repeat(20)}` as const
    for (const nonce of [0n, 1n, 2n ** 63n, 2n ** 64n - 1n])
      expect(Lease.id({ buyer, provider, nonce })).toBe(
        keccak256(encodePacked(['address', 'address', 'uint64'], [buyer, provider, nonce])),
      )
  })
})

describe('Assurance.format', () => {
  test('names the tier and its state', () => {
    const verified = { tier: 'statistical', state: 'verified', method: 'rerun' } as const
    expect(Assurance.format(verified)).toBe('statistical; verified(rerun)')
    expect(Assurance.format({ tier: 'unverified', state: 'final' })).toBe('unverified; final')
  })
})
