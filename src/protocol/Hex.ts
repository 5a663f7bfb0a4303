import { sha256 as sha256Bytes } from '@noble/hashes/sha2.js'
import { keccak256 as keccakBytes } from '../runtime/keccak256.ts'

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

/** Decodes hexadecimal text that is known to be such, into the bytes from `offset` on. */
export function write(hex: Hex, bytes: Uint8Array, offset: number): void {
  for (let i = 2, at = offset; i < hex.length; i += 2, at++)
    bytes[at] = (digit(hex.charCodeAt(i)) << 4) | digit(hex.charCodeAt(i + 1))
}

/** Of `0` to `9`, `A` to `F` and `a` to `f`. */
function digit(code: number): number {
  return (code & 15) + (code > 57 ? 9 : 0)
}

/** Keccak-256 of bytes (the hash of Ethereum). */
export function keccak256(bytes: Uint8Array): Hex {
  return from(keccakBytes(bytes))
}

/** SHA-256 of text as UTF-8, or of bytes. */
export function sha256(input: string | Uint8Array): Hex {
  return from(sha256Bytes(typeof input === 'string' ? new TextEncoder().encode(input) : input))
}
