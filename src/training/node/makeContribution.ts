import { isDrift, type Terms } from '../payload/Rule.ts'
import { forEach, type Update } from '../payload/Update.ts'
import { flatten, type Layout, type Replica, unflatten } from '../Replica.ts'
import type { runSegment, Trainer } from '../segment.ts'
import { type Made, makePayload } from './makePayload.ts'

/**
 * Runs the segment of a worker in a round and makes its payload. Workers and their auditors call it with
 * the same words and get the same bytes.
 *
 * @param train computes the order's training graph.
 * @returns what the segment began with, the whole state at its end, slot by slot, and what was made of it.
 */
export async function makeContribution(
  train: Trainer,
  { terms, before, own, ...rest }: makeContribution.Options,
): Promise<Contribution> {
  const { layout, replica } = rest
  const { base, begin } = beginningOf({ terms, replica, before, own, layout })
  const end = await train({ ...rest, replica: begin })
  const trained = flatten(layout, end.slice(0, layout.slots.length))
  return { begin, end, made: makePayload({ base, trained, before, terms, round: replica.rounds }) }
}

type Contribution = {
  readonly begin: Replica
  readonly end: readonly Uint8Array[]
  readonly made: Made
}

/** What a worker's update is measured from, and the state that its segment begins with. */
export function beginningOf({ terms, replica, before, own, layout }: beginningOf.Options): {
  readonly base: Float32Array
  readonly begin: Replica
} {
  const base = flatten(layout, replica.parameters)
  if (own) moveBy(base, own, terms)
  const first = base.slice()
  if (before && isDrift(terms))
    first.forEach((each, at) => (first[at] = Math.fround(each - before[at]!)))
  const parameters = unflatten(layout, replica.parameters, first)
  return { base, begin: { ...replica, parameters } }
}

export declare namespace beginningOf {
  type Options = Pick<makeContribution.Options, 'terms' | 'replica' | 'before' | 'own' | 'layout'>
}

export declare namespace makeContribution {
  type Options = runSegment.Options & {
    terms: Terms
    layout: Layout
    /** The state that the round begins from. */
    replica: Replica
    /** What the worker has not sent of earlier rounds; nothing for zeros. */
    before?: Float32Array | undefined
    /** The update that the last round accepted of it, where aggregates are late. */
    own?: Update | undefined
  }
}

/** Moves a state by a worker's own update, as if all had sent the same. */
function moveBy(theta: Float32Array, own: Update, { outerRateMicro }: Terms): void {
  const rate = Math.fround(outerRateMicro / 1e6)
  forEach(own, (at, value) => {
    theta[at] = Math.fround(theta[at]! - Math.fround(rate * value))
  })
}
