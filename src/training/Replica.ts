import { sha256 } from '../exact/commit/sha256.ts'
import * as StateRoot from '../exact/commit/StateRoot.ts'
import { words } from '../exact/commit/words.ts'
import type { NamedValue } from '../exact/Graph.ts'
import { byteLength } from '../exact/Tensor.ts'
import * as Hex from '../protocol/Hex.ts'
import { aggregate } from './payload/aggregate.ts'
import type { Contribution } from './payload/mean.ts'
import { outerSlots, takeOuterStep } from './payload/outerStep.ts'
import { PayloadError } from './payload/PayloadError.ts'
import type { Terms } from './payload/Rule.ts'

/** The model of a run after some rounds, which everybody who takes part has the same to the bit. */
export type Replica = {
  readonly rounds: number
  /** Bytes of the model's parameters, in the graph's order. */
  readonly parameters: readonly Uint8Array[]
  /** What the outer step carries from round to round, as vectors one after the other; none is all zeros. */
  readonly outer?: Float32Array | undefined
}

/** Which of a graph's state slots are parameters, and which of those training changes. */
export type Layout = {
  readonly slots: readonly NamedValue[]
  readonly isTrained: readonly boolean[]
}

/**
 * The hash that workers report: SHA-256 of two words, rounds and state root of the parameters, and of a
 * third, the hash of what the outer step carries, where it carries anything.
 */
export function hashOf({ slots }: Layout, { rounds, parameters, outer }: Replica): Hex.Hex {
  const root = StateRoot.from(slots, parameters)
  const carried = outer && outer.length > 0 ? [sha256(bytesOf(outer))] : []
  return Hex.from(sha256(words(rounds, root, ...carried)))
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
 * The replica after a round: the accepted updates, those too loud for the median brought down, joined by
 * the order's aggregation and taken off the parameters by its rule. The order of the updates changes no
 * bit; a round without any counts as one whose updates are zeros.
 *
 * @throws {PayloadError} when an update is of another length than the model.
 */
export function advance(
  layout: Layout,
  replica: Replica,
  { contributions, terms }: advance.Options,
): Replica {
  const length = lengthOf(layout)
  if (contributions.some(({ update }) => update.length !== length))
    throw new PayloadError('An update is for another model.')
  const gradient =
    contributions.length === 0 ? new Float32Array(length) : aggregate(contributions, terms)
  return move(layout, replica, { gradient, terms })
}

export declare namespace advance {
  type Options = {
    /** Updates, each with its inner steps. */
    contributions: readonly Contribution[]
    terms: Terms
  }
}

/** The replica after a round whose updates come to `gradient`. */
export function move(
  layout: Layout,
  replica: Replica,
  { gradient, terms }: { gradient: Float32Array; terms: Terms },
): Replica {
  const theta = flatten(layout, replica.parameters)
  const { length } = theta
  const outer = replica.outer?.slice() ?? new Float32Array(outerSlots(terms) * length)
  takeOuterStep(theta, outer, { gradient, terms, round: replica.rounds })
  const parameters = unflatten(layout, replica.parameters, theta)
  return { rounds: replica.rounds + 1, parameters, ...(outer.length > 0 ? { outer } : {}) }
}

function bytesOf(vector: Float32Array): Uint8Array {
  return new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength)
}
