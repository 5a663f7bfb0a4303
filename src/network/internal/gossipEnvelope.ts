import { base58 } from '@scure/base'
import * as Hex from '../../protocol/Hex.ts'
import * as Identity from '../../protocol/Identity.ts'
import * as Signature from '../../protocol/Signature.ts'
import { gossipLimitBytes } from '../Network.ts'
import { keccak256 } from '../../runtime/keccak256.ts'

/**
 * Several gossiped bodies in one message, signed by their author, as it travels:
 *
 *     signature (65 bytes) | author's peer id (39) | milliseconds (6, big-endian) | bodies
 *     a body: length (4 bytes, big-endian) | bytes
 *
 * libp2p would sign too, in JavaScript, at some five milliseconds for the author and again for everyone who hears.
 */
export type Envelope = {
  /** Peer id of the author; proved once `isSigned` has said so. */
  readonly from: string
  readonly at: number
  readonly bodies: readonly Uint8Array[]
}

/** Signs bodies for one topic. `at` must differ from message to message. */
export function seal(
  author: Identity.Identity,
  topic: string,
  { at, bodies }: Omit<Envelope, 'from'>,
): Uint8Array {
  const length = bodies.reduce((sum, body) => sum + lengthBytes + body.byteLength, headerBytes)
  const sealed = new Uint8Array(length)
  const view = new DataView(sealed.buffer)
  sealed.set(base58.decode(author.peerId), signatureBytes)
  view.setUint16(atOffset, Math.floor(at / 2 ** 32))
  view.setUint32(atOffset + 2, at % 2 ** 32)
  let end = headerBytes
  for (const body of bodies) {
    view.setUint32(end, body.byteLength)
    sealed.set(body, end + lengthBytes)
    end += lengthBytes + body.byteLength
  }
  sealed.set(Hex.toBytes(Signature.sign(digest(topic, sealed), author)))
  return sealed
}

/** Parses a message; undefined when it is none, or holds too many or too large bodies. Does not check the signature. */
export function open(sealed: Uint8Array): Envelope | undefined {
  const view = new DataView(sealed.buffer, sealed.byteOffset, sealed.byteLength)
  if (sealed.byteLength <= headerBytes) return undefined
  const bodies: Uint8Array[] = []
  for (let at = headerBytes; at < sealed.byteLength;) {
    if (sealed.byteLength - at < lengthBytes || bodies.length >= bodiesLimit) return undefined
    const length = view.getUint32(at)
    const end = at + lengthBytes + length
    if (end > sealed.byteLength || length > gossipLimitBytes) return undefined
    bodies.push(new Uint8Array(sealed.subarray(at + lengthBytes, end)))
    at = end
  }
  const from = base58.encode(sealed.subarray(signatureBytes, atOffset))
  const at = view.getUint16(atOffset) * 2 ** 32 + view.getUint32(atOffset + 2)
  return { from, at, bodies }
}

/** Whether the author that a message names has signed it for this topic. */
export function isSigned(topic: string, sealed: Uint8Array, from: string): boolean {
  try {
    const signature = Hex.from(sealed.subarray(0, signatureBytes))
    return Signature.verify(digest(topic, sealed), signature, Identity.addressOf(from))
  } catch {
    // The author is not a peer id of ours.
    return false
  }
}

/** Bodies in one message, and their bytes as long as there is more than one. */
export const bodiesLimit = 256
export const batchBytes = 48 * 1024

const signatureBytes = 65
const atOffset = signatureBytes + 39
const headerBytes = atOffset + 6
const lengthBytes = 4

/** Keccak-256 of a tag that nothing else signed here begins with, the topic, and all but the signature. */
function digest(topic: string, sealed: Uint8Array): Hex.Hex {
  const tag = new TextEncoder().encode(`weft gossip\n${topic}\n`)
  const bytes = new Uint8Array(tag.length + sealed.length - signatureBytes)
  bytes.set(tag)
  bytes.set(sealed.subarray(signatureBytes), tag.length)
  return Hex.from(keccak256(bytes))
}
