import { formIn } from '../../src/training/payload/Rule.ts'
import { decode } from '../../src/training/payload/Update.ts'
import { floats, makePayload } from '../../src/training/node/makePayload.ts'
import { advance, flatten, lengthOf, type Replica, unflatten } from '../../src/training/Replica.ts'
import { runSegment } from '../../src/training/segment.ts'
import type { Problem } from './problem.ts'

/** How a course of training went. */
export type Course = {
  readonly loss: number
  /** What a worker sends, for each token that it trains on. */
  readonly bytesPerToken: number
  readonly lastBitsPerParameter: number
}

/**
 * The same steps with a batch as large as all workers' together, which is what workers that exchange every
 * gradient compute. Traffic is a ring all-reduce of f32: twice the gradient a step, but for the last share.
 */
export async function dataParallel(
  problem: Problem,
  { workers, steps }: { workers: number; steps: number },
): Promise<Course> {
  const { wide, rows, length, layout, start, data, seed } = problem
  const replica = { rounds: 0, parameters: start }
  const options = { layout, replica, data, seed, worker: 0, steps, stepsPerRound: steps }
  const end = await runSegment(wide, options)
  const loss = problem.evaluate(end.slice(0, layout.slots.length))
  const size = lengthOf(layout)
  const bytes = 2 * 4 * size * ((workers - 1) / workers)
  return { loss, bytesPerToken: bytes / (rows * length), lastBitsPerParameter: 32 }
}

/** Rounds of inner steps, each worker on its own data, joined by an outer rule. */
export async function inRounds(
  problem: Problem,
  { workers, steps, rounds, keep = false, rule }: inRounds.Options,
): Promise<Course> {
  const { run, rows, length, layout, data, seed } = problem
  const moments: (readonly Uint8Array[])[] = []
  let replica: Replica = { rounds: 0, parameters: problem.start }
  let [bytes, lastBytes] = [0, 0]
  while (replica.rounds < rounds) {
    const trained: Float32Array[] = []
    for (let worker = 0; worker < workers; worker++) {
      const common = { layout, replica, data, seed, worker, steps, stepsPerRound: steps }
      const end = await runSegment(run, { ...common, moments: keep ? moments[worker] : undefined })
      moments[worker] = end.slice(layout.slots.length)
      trained.push(flatten(layout, end.slice(0, layout.slots.length)))
    }
    const joined = rule(replica, trained)
    lastBytes = joined.bytes / workers
    bytes += lastBytes
    replica = joined.replica
  }
  return {
    loss: problem.evaluate(replica.parameters),
    bytesPerToken: bytes / (rounds * steps * rows * length),
    lastBitsPerParameter: (lastBytes * 8) / lengthOf(layout),
  }
}

export declare namespace inRounds {
  type Options = {
    workers: number
    steps: number
    rounds: number
    /** Whether workers keep their optimiser's moments from round to round. */
    keep?: boolean
    rule: OuterRule
  }
}

/** What joins the workers' vectors after a round, and the bytes that they all send for it. */
export type OuterRule = (
  replica: Replica,
  trained: readonly Float32Array[],
) => { readonly replica: Replica; readonly bytes: number }

/** The rule of `weft train`: signs of the greatest entries, the rest kept for later. */
export function sparse(
  { layout }: Problem,
  { rounds, steps, ...kept }: { rounds: number; steps: number; first: number; last: number },
): OuterRule {
  const errors: Float32Array[] = []
  const length = lengthOf(layout)
  const terms = {
    rule: 'sparse',
    rounds,
    keptFirst: kept.first,
    keptLast: kept.last,
    fragments: 1,
    aggregation: 'mean',
    toleratedMicro: 0,
    outerRateMicro: 1_000_000,
    outerMomentumMicro: 0,
    overlap: false,
  }
  return (replica, trained) => {
    const base = flatten(layout, replica.parameters)
    const round = replica.rounds
    const payloads = trained.map((each, worker) => {
      const before = errors[worker]
      const made = makePayload({ base, trained: each, before, terms, round })
      errors[worker] = floats(made.ifAccepted)
      return made.payload
    })
    const form = formIn(terms, { length, round })
    const contributions = payloads.map((each) => ({ update: decode(each, form), weight: steps }))
    return {
      replica: advance(layout, replica, { contributions, terms }),
      bytes: payloads.reduce((sum, { byteLength }) => sum + byteLength, 0),
    }
  }
}

/** DiLoCo: every entry as f32, Nesterov momentum 0.9 at rate 0.7 (arXiv 2311.08105). */
export function diloco({ layout }: Problem): OuterRule {
  const momentum = new Float32Array(lengthOf(layout))
  return (replica, trained) => {
    const vector = flatten(layout, replica.parameters)
    for (let at = 0; at < vector.length; at++) {
      const sum = trained.reduce((total, each) => total + vector[at]! - each[at]!, 0)
      const step = sum / trained.length
      momentum[at] = 0.9 * momentum[at]! + step
      vector[at] = vector[at]! - 0.7 * (step + 0.9 * momentum[at]!)
    }
    const parameters = unflatten(layout, replica.parameters, vector)
    const bytes = trained.length * vector.byteLength
    return { replica: { rounds: replica.rounds + 1, parameters }, bytes }
  }
}
