import { x25519 } from '@noble/curves/ed25519.js'
import { hkdf } from '@noble/hashes/hkdf.js'
import { sha256 } from '@noble/hashes/sha2.js'
import * as Hex from '../../protocol/Hex.ts'
import { PayloadError } from '../payload/PayloadError.ts'
import { keystream } from './keystream.ts'

/** Who takes part in a sum, with the key that it gave for this sum alone. */
export type Member = {
  readonly worker: Hex.Address
  /** X25519, RFC 7748. */
  readonly key: Hex.Hex
}

/** The public key of a secret of 32 random bytes. */
export function keyOf(secret: Uint8Array): Hex.Hex {
  return Hex.from(x25519.getPublicKey(secret))
}

/**
 * Hides a worker's vector under one mask for each other member of the sum, which the two of them alone know
 * and which one adds and the other takes off, modulo 2^32: the sum over all members has no masks, and
 * over any fewer all who are left out are missing (after Bonawitz et al., "Practical Secure Aggregation for
 * Privacy-Preserving Machine Learning", 2017, without its shares for those who drop out: who does not
 * deliver makes the sum fail).
 *
 * @param options.batch hash of the batch of the log that fixed who is in the sum; it is in every mask, so
 * that masks of one sum are worth nothing in another.
 */
export function hide(
  values: Int32Array,
  { secret, own, members, batch }: hide.Options,
): Uint32Array {
  const masked = Uint32Array.from(values)
  for (const { worker, key } of members) {
    if (worker === own) continue
    const next = keystream(sharedKey({ secret, key, own, worker, batch }))
    const isAdded = own < worker
    for (let at = 0; at < masked.length; at++) masked[at]! += isAdded ? next() : -next()
  }
  return masked
}

export declare namespace hide {
  type Options = {
    secret: Uint8Array
    own: Hex.Address
    /** All of the sum; ourselves may be among them. */
    members: readonly Member[]
    batch: Hex.Hex
  }
}

/**
 * What hidden vectors of all members come to: the sum of what they hid, as signed words.
 *
 * @throws {PayloadError} when there are none, or they differ in length.
 */
export function sum(vectors: readonly Uint32Array[]): Int32Array {
  const [first] = vectors
  if (!first || vectors.some(({ length }) => length !== first.length))
    throw new PayloadError('There is nothing to add up, or it is of several lengths.')
  const total = new Uint32Array(first.length)
  for (const each of vectors) for (let at = 0; at < total.length; at++) total[at]! += each[at]!
  return new Int32Array(total.buffer)
}

type Pair = {
  readonly secret: Uint8Array
  readonly key: Hex.Hex
  readonly own: Hex.Address
  readonly worker: Hex.Address
  readonly batch: Hex.Hex
}

/** Both addresses are in it: who gives another's key as its own gets other masks, not those of the other. */
function sharedKey({ secret, key, own, worker, batch }: Pair): Uint8Array {
  const [first, second] = own < worker ? [own, worker] : [worker, own]
  const info = new TextEncoder().encode(`weft/training-mask/1 ${first} ${second}`)
  return hkdf(sha256, agreed(secret, Hex.toBytes(key)), Hex.toBytes(batch), info, 32)
}

/** A key of low order agrees on nothing: its owner hides nothing, as if it had told all it knows. */
function agreed(secret: Uint8Array, key: Uint8Array): Uint8Array {
  try {
    return x25519.getSharedSecret(secret, key)
  } catch {
    return new Uint8Array(32)
  }
}
