import { describe, expect, test } from 'vitest'
import { pureSecp256k1, secp256k1 } from './secp256k1.ts'
import { seededRandom } from './seededRandom.ts'

describe('secp256k1', () => {
  const pure = pureSecp256k1()

  test('is the native library on the machines that npm has a build for', () => {
    const built = ['linux-x64', 'darwin-arm64', 'win32-x64']
    if (built.includes(`${process.platform}-${process.arch}`)) expect(secp256k1.name).toBe('native')
  })

  test('answers like the plain JavaScript one', () => {
    const random = seededRandom(1)
    for (let i = 0; i < 20; i++) {
      const key = random.bytes(32)
      const digest = random.bytes(32)
      const publicKey = secp256k1.publicKey(key)
      expect(publicKey).toEqual(pure.publicKey(key))
      const signed = secp256k1.sign(digest, key)
      expect(signed).toEqual(pure.sign(digest, key))
      for (const curve of [secp256k1, pure]) {
        expect(curve.recover(digest, signed.signature, signed.recovery)).toEqual(publicKey)
        expect(curve.verify(digest, signed.signature, publicKey)).toBe(true)
        expect(curve.verify(random.bytes(32), signed.signature, publicKey)).toBe(false)
        const compressed = Uint8Array.of(2 + (publicKey[64]! & 1), ...publicKey.subarray(1, 33))
        expect(curve.decompress(compressed)).toEqual(publicKey)
      }
    }
  })

  test('recovers nothing from nonsense', () => {
    for (const curve of [secp256k1, pure]) {
      expect(curve.recover(new Uint8Array(32), new Uint8Array(64), 0)).toBeUndefined()
      expect(curve.recover(new Uint8Array(32), new Uint8Array(64).fill(255), 1)).toBeUndefined()
    }
  })
})
