import * as Hex from '../../protocol/Hex.ts'
import { accumulate, subtractSent } from '../payload/errorFeedback.ts'
import { choose, encode } from '../payload/SparseUpdate.ts'

/** What a worker sends for a round, and the two error vectors that may stay. All vectors are bytes, little-endian. */
export type Made = {
  readonly payload: Uint8Array
  readonly ifAccepted: Uint8Array
  readonly ifLate: Uint8Array
}

/**
 * Makes a payload from where a segment began and ended and from what earlier rounds left unsent. Workers
 * and their auditors call it with the same words and get the same bytes.
 *
 * @param options.before bytes of the error vector that goes in; nothing for zeros.
 */
export function makePayload({ parent, trained, before, kept }: makePayload.Options): Made {
  const error = before ? floats(before) : new Float32Array(parent.length)
  accumulate(error, { parent, trained })
  const ifLate = bytesOf(error)
  const update = choose(error, kept)
  subtractSent(error, update)
  return { payload: encode(update), ifAccepted: bytesOf(error), ifLate }
}

export declare namespace makePayload {
  type Options = {
    parent: Float32Array
    trained: Float32Array
    before?: Uint8Array | undefined
    /** Entries of a block of 4,096 that are sent. */
    kept: number
  }
}

/** The hashes that a commitment names. */
export function hashesOf({ payload, ifAccepted, ifLate }: Made) {
  return {
    payload: Hex.sha256(payload),
    payloadBytes: payload.byteLength,
    errorIfAccepted: Hex.sha256(ifAccepted),
    errorIfLate: Hex.sha256(ifLate),
  }
}

function floats(bytes: Uint8Array): Float32Array {
  return new Float32Array(bytes.slice().buffer)
}

function bytesOf(vector: Float32Array): Uint8Array {
  return new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength).slice()
}
