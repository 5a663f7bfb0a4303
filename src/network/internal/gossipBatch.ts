import { gossipLimitBytes } from '../Network.ts'

/**
 * Several gossiped bodies in one message: each signature of the gossip layer costs its author and every
 * hearer about a millisecond, whatever the size.
 *
 *     length of a body (4 bytes, big-endian) | body, and again
 */
export function pack(bodies: readonly Uint8Array[]): Uint8Array {
  const bytes = bodies.reduce((sum, body) => sum + headerBytes + body.byteLength, 0)
  const packed = new Uint8Array(bytes)
  const view = new DataView(packed.buffer)
  let at = 0
  for (const body of bodies) {
    view.setUint32(at, body.byteLength)
    packed.set(body, at + headerBytes)
    at += headerBytes + body.byteLength
  }
  return packed
}

/** The bodies of a message; undefined when it is not a batch, or holds too many or too large ones. */
export function unpack(packed: Uint8Array): readonly Uint8Array[] | undefined {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength)
  const bodies: Uint8Array[] = []
  let at = 0
  while (at < packed.byteLength) {
    if (packed.byteLength - at < headerBytes || bodies.length >= bodiesLimit) return undefined
    const length = view.getUint32(at)
    const end = at + headerBytes + length
    if (end > packed.byteLength || length > gossipLimitBytes) return undefined
    bodies.push(new Uint8Array(packed.subarray(at + headerBytes, end)))
    at = end
  }
  return bodies.length > 0 ? bodies : undefined
}

const headerBytes = 4

/** Bodies in one message, and their bytes as long as there is more than one. */
export const bodiesLimit = 256
export const batchBytes = 48 * 1024
