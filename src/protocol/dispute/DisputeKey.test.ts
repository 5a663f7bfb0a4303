import { describe, expect, test } from 'vitest'
import { encodeAbiParameters, keccak256 } from 'viem'
import * as DisputeKey from './DisputeKey.ts'

describe('id', () => {
  test('is what the contract makes of claim and challenger', () => {
    const key = { claim: `0x${'ab'.repeat(32)}`, challenger: `0x${'c1'.repeat(20)}` } as const
    const encoded = encodeAbiParameters(
      [{ type: 'bytes32' }, { type: 'address' }],
      [key.claim, key.challenger],
    )
    expect(DisputeKey.id(key)).toBe(keccak256(encoded))
  })
})
