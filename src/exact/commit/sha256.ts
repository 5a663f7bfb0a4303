import { sha256 as noble } from '@noble/hashes/sha2.js'
import { type FourHashes, longestRow, startFourHashes, subtreeBytes } from './fourHashes.ts'

/**
 * The one file that hashes for commitments: many short rows four at a time in WebAssembly, the rest by
 * node:crypto where there is one and `@noble/hashes` elsewhere. All are synchronous and give the same bytes.
 */
const native = globalThis.process?.getBuiltinModule?.('node:crypto')

/** SHA-256 of a message. */
export const sha256: (message: Uint8Array) => Uint8Array = native
  ? (message) => new Uint8Array(native.hash('sha256', message, 'buffer'))
  : noble

/**
 * Hashes rows that lie one after the other: row i of `out` becomes SHA-256(prefix, row i of `bytes`).
 * The last row may be shorter. `out` may begin where `bytes` does, when rows are no shorter than hashes.
 *
 * @returns how many rows there were.
 */
export function hashRows(
  prefix: number,
  bytes: Uint8Array,
  { rowBytes, out }: { rowBytes: number; out: Uint8Array },
): number {
  const rows = Math.ceil(bytes.byteLength / rowBytes)
  const message = new Uint8Array(1 + rowBytes)
  message[0] = prefix
  const target = native ? buffer(out) : undefined
  for (let row = hashInside(prefix, bytes, { rowBytes, out }); row < rows; row++) {
    const part = bytes.subarray(row * rowBytes, (row + 1) * rowBytes)
    message.set(part, 1)
    const whole = part.byteLength === rowBytes ? message : message.subarray(0, 1 + part.byteLength)
    // A string of hexadecimal digits is what node:crypto returns fastest, far ahead of a new buffer.
    if (target) target.write(native!.hash('sha256', whole, 'hex'), row * 32, 'hex')
    else out.set(noble(whole), row * 32)
  }
  return rows
}

/** The root over at most `subtreeBytes` bytes in leaves of 256, where there is a fast way to it. */
export function hashSubtree(bytes: Uint8Array): Uint8Array | undefined {
  return bytes.byteLength > 0 && bytes.byteLength <= subtreeBytes
    ? fours()?.subtree(bytes)
    : undefined
}

let started: FourHashes | undefined | null = null

function fours(): FourHashes | undefined {
  if (started === null) started = startFourHashes()
  return started
}

/** Hashes the first rows in WebAssembly, when that is worth it, and says how many. */
function hashInside(
  prefix: number,
  bytes: Uint8Array,
  { rowBytes, out }: { rowBytes: number; out: Uint8Array },
): number {
  if (rowBytes > longestRow || bytes.byteLength < rowBytes * 2) return 0
  return fours()?.rows(prefix, bytes, { rowBytes, out }) ?? 0
}

function buffer({ buffer: memory, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(memory, byteOffset, byteLength)
}
