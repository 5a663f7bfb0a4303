import { keccak_256 } from '@noble/hashes/sha3.js'
import { sha256 as sha256Bytes } from '@noble/hashes/sha2.js'

/** Bytes as text: `0x` and lower-case digits. */
export type Hex = `0x${string}`

/** The 20 bytes that name an account, lower case. */
export type Address = Hex

/** 32 bytes of zero: "none" wherever a message has a `bytes32` that may be absent. */
export const zero: Hex = `0x${'00'.repeat(32)}`

/** Encodes bytes. */
export function from(bytes: Uint8Array): Hex {
  return `0x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')}`
}

/** Decodes hexadecimal text. */
export function toBytes(hex: Hex): Uint8Array {
  return new Uint8Array(Buffer.from(hex.slice(2), 'hex'))
}

/** Keccak-256 of bytes (the hash of Ethereum). */
export function keccak256(bytes: Uint8Array): Hex {
  return from(keccak_256(bytes))
}

/** SHA-256 of text as UTF-8, or of bytes. */
export function sha256(input: string | Uint8Array): Hex {
  return from(sha256Bytes(typeof input === 'string' ? new TextEncoder().encode(input) : input))
}
