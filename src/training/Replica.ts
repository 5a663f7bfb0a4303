import { sha256 } from '../exact/commit/sha256.ts'
import * as StateRoot from '../exact/commit/StateRoot.ts'
import { words } from '../exact/commit/words.ts'
import type { NamedValue } from '../exact/Graph.ts'
import { byteLength } from '../exact/Tensor.ts'
import * as Hex from '../protocol/Hex.ts'
import { apply, clipToMedian, mean } from './payload/aggregate.ts'
import { PayloadError } from './payload/PayloadError.ts'
import type { SparseUpdate } from './payload/SparseUpdate.ts'

/** The model of a run after some rounds, which everybody who takes part has the same to the bit. */
export type Replica = {
  readonly rounds: number
  /** Bytes of the model's parameters, in the graph's order. */
  readonly parameters: readonly Uint8Array[]
}

/** Which of a graph's state slots are parameters, and which of those training changes. */
export type Layout = {
  readonly slots: readonly NamedValue[]
  readonly isTrained: readonly boolean[]
}

/** The hash that workers report: SHA-256 of two words, rounds and state root of the parameters. */
export function hashOf({ slots }: Layout, { rounds, parameters }: Replica): Hex.Hex {
  return Hex.from(sha256(words(rounds, StateRoot.from(slots, parameters))))
}

/** How many entries the vector of trained parameters has. */
export function lengthOf({ slots, isTrained }: Layout): number {
  return slots.reduce((sum, slot, at) => sum + (isTrained[at] ? byteLength(slot) / 4 : 0), 0)
}

/** The trained parameters one after the other, as one vector. */
export function flatten(layout: Layout, parameters: readonly Uint8Array[]): Float32Array {
  const flat = new Uint8Array(lengthOf(layout) * 4)
  let at = 0
  for (const [index, bytes] of parameters.entries()) {
    if (!layout.isTrained[index]) continue
    flat.set(bytes, at)
    at += bytes.byteLength
  }
  return new Float32Array(flat.buffer)
}

/** Parameters whose trained ones are taken from a vector. */
export function unflatten(
  layout: Layout,
  parameters: readonly Uint8Array[],
  vector: Float32Array,
): readonly Uint8Array[] {
  const flat = new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength)
  let at = 0
  return parameters.map((bytes, index) => {
    if (!layout.isTrained[index]) return bytes
    at += bytes.byteLength
    return flat.slice(at - bytes.byteLength, at)
  })
}

/**
 * The replica after a round: the accepted updates, those too loud for the median brought down, averaged
 * by weight, taken off the parameters at the outer rate. The order of the updates changes no bit; a round
 * without any changes nothing but the count.
 *
 * @throws {PayloadError} when an update is of another length than the model.
 */
export function advance(
  layout: Layout,
  replica: Replica,
  { updates, weights, rate }: advance.Options,
): Replica {
  if (updates.length === 0) return { ...replica, rounds: replica.rounds + 1 }
  const vector = flatten(layout, replica.parameters)
  if (updates.some(({ length }) => length !== vector.length))
    throw new PayloadError('An update is for another model.')
  const clipped = clipToMedian(updates)
  const step = mean(clipped.map((update, at) => ({ update, weight: weights[at]! })))
  apply(vector, step, rate)
  const parameters = unflatten(layout, replica.parameters, vector)
  return { rounds: replica.rounds + 1, parameters }
}

export declare namespace advance {
  type Options = {
    updates: readonly SparseUpdate[]
    /** Inner steps of each. */
    weights: readonly number[]
    rate: number
  }
}
