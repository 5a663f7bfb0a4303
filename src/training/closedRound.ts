import type * as Hex from '../protocol/Hex.ts'
import type { TrainingOrder } from '../protocol/training/TrainingOrder.ts'
import type { Decision } from './coordinator/State.ts'
import { annealedKept } from './payload/annealedKept.ts'
import { decode, type SparseUpdate } from './payload/SparseUpdate.ts'
import { advance, type Layout, lengthOf, type Replica } from './Replica.ts'

/** The decision that closes a round, with the contributions that count. */
export type Close = Extract<Decision, { kind: 'round-close' }>

/** The rounds that a log has closed, in order. */
export function closesOf(decisions: readonly Decision[]): readonly Close[] {
  return decisions.filter((each) => each.kind === 'round-close')
}

/** How many entries of a block an order has sent in a round. */
export function keptIn({ rounds, keptFirst, keptLast }: TrainingOrder, round: number): number {
  return annealedKept(round, { rounds, first: keptFirst, last: keptLast })
}

/** The update in a payload of a round; undefined when it is not one of this run. */
export function readPayload(
  bytes: Uint8Array,
  { layout, order, round }: { layout: Layout; order: TrainingOrder; round: number },
): SparseUpdate | undefined {
  try {
    return decode(bytes, { length: lengthOf(layout), kept: keptIn(order, round) })
  } catch {
    return undefined
  }
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
  const counted: { update: SparseUpdate; weight: number }[] = []
  for (const { payload, weight, worker } of accepted) {
    const bytes = await payloadOf(payload, worker)
    if (!bytes) return { type: 'missing', payload, worker }
    const update = readPayload(bytes, { layout, order, round })
    if (update) counted.push({ update, weight })
  }
  const next = advance(layout, replica, {
    updates: counted.map(({ update }) => update),
    weights: counted.map(({ weight }) => weight),
    rate: order.outerRateMicro / 1e6,
  })
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
