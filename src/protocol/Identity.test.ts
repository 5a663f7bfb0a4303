import { generateKeyPair, privateKeyFromRaw } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { privateKeyToAddress } from 'viem/accounts'
import { describe, expect, test } from 'vitest'
import { seededRandom } from '../runtime/seededRandom.ts'
import * as Hex from './Hex.ts'
import * as Identity from './Identity.ts'

describe('from', () => {
  test('gives the account that wallets and the peer id that libp2p derive from the key', () => {
    const random = seededRandom(3)
    for (let i = 0; i < 20; i++) {
      const key = random.bytes(32)
      const identity = Identity.from(key)
      expect(identity.address).toBe(privateKeyToAddress(Hex.from(key)).toLowerCase())
      const libp2p = peerIdFromPrivateKey(privateKeyFromRaw(key))
      expect(identity.peerId).toBe(libp2p.toString())
    }
  })

  test('refuses what is not a key without repeating it', () => {
    for (const bytes of [
      new Uint8Array(32),
      new Uint8Array(31).fill(1),
      new Uint8Array(32).fill(255),
    ])
      expect(() => Identity.from(bytes)).toThrow(/64 hexadecimal digits/)
  })
})

describe('addressOf', () => {
  test('finds the account behind a peer id', () => {
    const identity = Identity.from(new Uint8Array(32).fill(9))
    expect(Identity.addressOf(identity.peerId)).toBe(identity.address)
  })

  test('refuses peer ids that hold another kind of key, or nothing', async () => {
    const other = peerIdFromPrivateKey(await generateKeyPair('Ed25519')).toString()
    for (const peerId of [other, '', 'not base58 0OIl', 'x'.repeat(10_000), '16Uiu2HA'])
      expect(() => Identity.addressOf(peerId)).toThrowError(
        expect.objectContaining({ code: 'Identity.InvalidPeerIdError' }),
      )
  })
})
