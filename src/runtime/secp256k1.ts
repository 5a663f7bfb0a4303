import { createRequire } from 'node:module'
import { secp256k1 as noble } from '@noble/curves/secp256k1.js'

/** The curve operations this project needs, on raw bytes: 32-byte digests and keys, 64-byte signatures. */
export type Secp256k1 = {
  readonly name: 'native' | 'noble'
  /** Uncompressed public key, 65 bytes. */
  publicKey(privateKey: Uint8Array): Uint8Array
  /** Deterministic (RFC 6979), low s. `recovery` is 0 or 1. */
  sign(digest: Uint8Array, privateKey: Uint8Array): { signature: Uint8Array; recovery: number }
  /** The uncompressed public key that signed, or undefined when the signature is not valid. */
  recover(digest: Uint8Array, signature: Uint8Array, recovery: number): Uint8Array | undefined
  verify(digest: Uint8Array, signature: Uint8Array, publicKey: Uint8Array): boolean
  /** From 33 compressed bytes to 65. Throws when the point is not on the curve. */
  decompress(publicKey: Uint8Array): Uint8Array
}

/** Bitcoin's C library where npm has a build of it (12,000 recoveries a second), plain JavaScript elsewhere. */
export const secp256k1: Secp256k1 = loadNative() ?? pureSecp256k1()

/** The plain JavaScript implementation, the same answers everywhere. */
export function pureSecp256k1(): Secp256k1 {
  const raw = { prehash: false } as const
  return {
    name: 'noble',
    publicKey: (privateKey) => noble.getPublicKey(privateKey, false),
    sign(digest, privateKey) {
      const bytes = noble.sign(digest, privateKey, { ...raw, lowS: true, format: 'recovered' })
      return { signature: bytes.slice(1), recovery: bytes[0]! }
    },
    recover(digest, signature, recovery) {
      try {
        const found = noble.recoverPublicKey(Uint8Array.of(recovery, ...signature), digest, raw)
        return noble.Point.fromBytes(found).toBytes(false)
      } catch {
        return undefined
      }
    },
    verify: (digest, signature, publicKey) =>
      noble.verify(signature, digest, publicKey, { ...raw, lowS: true }),
    decompress: (publicKey) => noble.Point.fromBytes(publicKey).toBytes(false),
  }
}

function loadNative(): Secp256k1 | undefined {
  const native = requireNative()
  if (!native) return undefined
  return {
    name: 'native',
    publicKey: (privateKey) => native.publicKeyCreate(privateKey, false),
    sign(digest, privateKey) {
      const { signature, recid } = native.ecdsaSign(digest, privateKey)
      return { signature, recovery: recid }
    },
    recover(digest, signature, recovery) {
      try {
        return native.ecdsaRecover(signature, recovery, digest, false)
      } catch {
        return undefined
      }
    },
    verify: (digest, signature, publicKey) => native.ecdsaVerify(signature, digest, publicKey),
    decompress: (publicKey) => native.publicKeyConvert(publicKey, false),
  }
}

/** `secp256k1/bindings.js` is the native build alone; the package's own entry falls back to a slow one silently. */
function requireNative(): NativeSecp256k1 | undefined {
  try {
    return createRequire(import.meta.url)('secp256k1/bindings.js') as NativeSecp256k1
  } catch {
    return undefined
  }
}

type NativeSecp256k1 = {
  publicKeyCreate(privateKey: Uint8Array, compressed: boolean): Uint8Array
  publicKeyConvert(publicKey: Uint8Array, compressed: boolean): Uint8Array
  ecdsaSign(digest: Uint8Array, privateKey: Uint8Array): { signature: Uint8Array; recid: number }
  ecdsaRecover(
    signature: Uint8Array,
    recid: number,
    digest: Uint8Array,
    compressed: boolean,
  ): Uint8Array
  ecdsaVerify(signature: Uint8Array, digest: Uint8Array, publicKey: Uint8Array): boolean
}
