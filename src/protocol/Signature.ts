import { secp256k1 } from '../runtime/secp256k1.ts'
import * as Hex from './Hex.ts'
import { addressOfPublicKey, type Identity } from './Identity.ts'

/** Signs a digest: r, s and v (27 or 28), 65 bytes. */
export function sign(digest: Hex.Hex, signer: Identity): Hex.Hex {
  const { signature, recovery } = secp256k1.sign(Hex.toBytes(digest), signer.privateKey)
  return Hex.from(Uint8Array.of(...signature, 27 + recovery))
}

/** Whether `address` signed the digest. Accounts seen before cost a verification, not a recovery. */
export function verify(digest: Hex.Hex, signature: Hex.Hex, address: Hex.Address): boolean {
  const parts = split(signature)
  if (!parts) return false
  const bytes = Hex.toBytes(digest)
  const known = publicKeys.get(address)
  if (known) return secp256k1.verify(bytes, parts.compact, known)
  const publicKey = secp256k1.recover(bytes, parts.compact, parts.recovery)
  if (!publicKey || addressOfPublicKey(publicKey) !== address) return false
  if (publicKeys.size >= publicKeysLimit) publicKeys.clear()
  publicKeys.set(address, publicKey)
  return true
}

const publicKeys = new Map<Hex.Address, Uint8Array>()
const publicKeysLimit = 10_000

const halfOrder = Hex.toBytes('0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0')

function split(signature: Hex.Hex): { compact: Uint8Array; recovery: number } | undefined {
  const bytes = Hex.toBytes(signature)
  const v = bytes[64]
  if (bytes.length !== 65 || (v !== 27 && v !== 28)) return undefined
  if (Buffer.compare(bytes.subarray(32, 64), halfOrder) > 0) return undefined
  return { compact: bytes.subarray(0, 64), recovery: v - 27 }
}
