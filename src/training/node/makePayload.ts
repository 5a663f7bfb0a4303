import * as Hex from '../../protocol/Hex.ts'
import { accumulate, subtractSent } from '../payload/errorFeedback.ts'
import { formIn, isDrift, type Terms } from '../payload/Rule.ts'
import { encode, from } from '../payload/Update.ts'

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
 * @param options.base the state of the round, moved by the worker's own update where that is applied at once.
 * @param options.before what earlier rounds left unsent; nothing for zeros.
 */
export function makePayload({ base, trained, before, terms, round }: makePayload.Options): Made {
  // A drift is in `trained` already, because the segment began with it.
  const carried = isDrift(terms) ? undefined : before
  const error = carried?.slice() ?? new Float32Array(base.length)
  accumulate(error, { parent: base, trained })
  const ifLate = bytesOf(error)
  const update = from(error, formIn(terms, { length: error.length, round }))
  subtractSent(error, update)
  return { payload: encode(update), ifAccepted: bytesOf(error), ifLate }
}

export declare namespace makePayload {
  type Options = {
    base: Float32Array
    trained: Float32Array
    before?: Float32Array | undefined
    terms: Terms
    round: number
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

/** A vector from its bytes. */
export function floats(bytes: Uint8Array): Float32Array {
  return new Float32Array(bytes.slice().buffer)
}

function bytesOf(vector: Float32Array): Uint8Array {
  return new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength).slice()
}
