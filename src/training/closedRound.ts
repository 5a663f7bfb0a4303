import type * as Hex from '../protocol/Hex.ts'
import type { TrainingOrder } from '../protocol/training/TrainingOrder.ts'
import type { Decision } from './coordinator/State.ts'
import type { Contribution } from './payload/mean.ts'
import { formIn } from './payload/Rule.ts'
import { decode, type Update } from './payload/Update.ts'
import * as Mask from './private/Mask.ts'
import * as Units from './private/Units.ts'
import { advance, type Layout, lengthOf, move, type Replica } from './Replica.ts'

/** The decision that closes a round, with the contributions that count. */
export type Close = Extract<Decision, { kind: 'round-close' }>

/** The rounds that a log has closed, in order. */
export function closesOf(decisions: readonly Decision[]): readonly Close[] {
  return decisions.filter((each) => each.kind === 'round-close')
}

/**
 * The payload that a worker's segment of a round builds on: where aggregates are late, what the round
 * before accepted of it.
 */
export function ownPayloadOf(
  { overlap }: Pick<TrainingOrder, 'overlap'>,
  decisions: readonly Decision[],
  { round, worker }: { round: number; worker: number },
): Hex.Hex | undefined {
  if (!overlap) return undefined
  const close = closesOf(decisions).findLast((each) => each.round === round - 1)
  return close?.accepted.find((each) => each.worker === worker)?.payload
}

/** The update in a payload of a round; undefined when it is not one of this run. */
export function readPayload(
  bytes: Uint8Array,
  { layout, order, round }: { layout: Layout; order: TrainingOrder; round: number },
): Update | undefined {
  try {
    return decode(bytes, formIn(order, { length: lengthOf(layout), round }))
  } catch {
    return undefined
  }
}

/** Whether bytes are a payload of a round. */
export function isPayload(bytes: Uint8Array, options: Parameters<typeof readPayload>[1]): boolean {
  const { order, layout } = options
  if (order.privacy === 'sums') return bytes.byteLength === 4 * lengthOf(layout)
  return readPayload(bytes, options) !== undefined
}

/**
 * The state after a closed round. A payload that cannot be read counts for nothing: all who have its hash
 * have the same bytes, so all leave out the same.
 *
 * @param options.payloadOf gives the bytes of a payload of a worker, or nothing when they cannot be had.
 * @returns the payload that is missing when one is.
 */
export async function replicaAfter(
  replica: Replica,
  { round, accepted }: Close,
  { layout, order, payloadOf }: replicaAfter.Options,
): Promise<replicaAfter.Result> {
  const contributions: Contribution[] = []
  const hidden: Uint8Array[] = []
  for (const { payload, weight, worker } of accepted) {
    const bytes = await payloadOf(payload, worker)
    if (!bytes) return { type: 'missing', payload, worker }
    if (order.privacy === 'sums') {
      hidden.push(bytes)
      continue
    }
    const update = readPayload(bytes, { layout, order, round })
    if (update) contributions.push({ update, weight })
  }
  // Of a sum that lacks one of its parts nothing is left.
  const isSum = hidden.every((bytes) => isPayload(bytes, { layout, order, round }))
  if (hidden.length > 0 && isSum) {
    const words = hidden.map((bytes) => Units.decode(bytes, lengthOf(layout)))
    const clip = order.clipMicro / 1e6
    const gradient = Units.meanOf(Mask.sum(words), { clip, count: words.length })
    return { type: 'replica', replica: move(layout, replica, { gradient, terms: order }) }
  }
  const next = advance(layout, replica, { contributions, terms: order })
  return { type: 'replica', replica: next }
}

export declare namespace replicaAfter {
  type Options = {
    layout: Layout
    order: TrainingOrder
    payloadOf: (payload: Hex.Hex, worker: number) => Promise<Uint8Array | undefined>
  }
  type Result =
    | { readonly type: 'replica'; readonly replica: Replica }
    | { readonly type: 'missing'; readonly payload: Hex.Hex; readonly worker: number }
}
