import type * as TrainingOrder from '../../src/protocol/training/TrainingOrder.ts'
import { makeContribution } from '../../src/training/node/makeContribution.ts'
import { floats } from '../../src/training/node/makePayload.ts'
import { formIn, type Terms } from '../../src/training/payload/Rule.ts'
import { decode, from, toVector } from '../../src/training/payload/Update.ts'
import { advance, lengthOf, type Replica } from '../../src/training/Replica.ts'
import { runSegment, trainerOf } from '../../src/training/segment.ts'
import type { Backend } from '../../src/exact/index.ts'
import { trainingOrder } from '../../test/trainingOrder.ts'
import { prepare, sizes } from './problem.ts'

/** A way of training that is compared with others: everything its result follows from. */
export type Plan = {
  /** `machine` is one machine with the batches of all workers at once, `small-batches` one with as many of its own. */
  readonly rule: 'machine' | 'small-batches' | (typeof TrainingOrder.rules)[number]
  readonly workers: number
  readonly rounds: number
  /** Inner steps of a round. */
  readonly steps: number
  readonly seed: number
  /** The inner learning rate. */
  readonly rate: number
  readonly beta2?: number
  readonly rows?: number
  /** What the inner rate falls to, as a share of it; 0.1 unless it is said. */
  readonly floor?: number
  /** What becomes of a worker's optimiser state between rounds; in a run it begins anew. */
  readonly moments?: 'anew' | 'kept' | '8-bit'
  /** What of the terms is not as in `termsOf`. */
  readonly terms?: Partial<Terms>
}

/** How a course of training went. */
export type Course = {
  /** On held-out text, nats a token. */
  readonly loss: number
  /** Entries of the model that are trained, and tokens that all workers trained on. */
  readonly parameters: number
  readonly tokens: number
  /** Bytes of a worker's payloads, of all rounds and of the last. */
  readonly sentBytes: number
  readonly lastBytes: number
}

/** Trains by a plan, with the arithmetic, the codecs and the outer step of the real workers, in one process. */
export async function runCourse(backend: Backend, plan: Plan): Promise<Course> {
  if (plan.rule === 'machine' || plan.rule === 'small-batches') return onOneMachine(backend, plan)
  const { workers, rounds, steps, seed, rate, beta2, rows, floor } = plan
  const terms = termsOf(plan)
  await using problem = await prepare(backend, {
    seed,
    rate,
    steps: rounds * steps,
    beta2,
    rows,
    floor,
  })
  const { layout, run, data } = problem
  const length = lengthOf(layout)
  const kept = Array.from({ length: workers }, (): Kept => ({}))
  const states: (readonly Uint8Array[])[] = []
  let replica: Replica = { rounds: 0, parameters: problem.start }
  let [sentBytes, lastBytes] = [0, 0]
  while (replica.rounds < rounds) {
    const form = formIn(terms, { length, round: replica.rounds })
    const contributions: { update: ReturnType<typeof decode>; weight: number }[] = []
    for (const [worker, { before, own }] of kept.entries()) {
      const moments = states[worker]
      const common = { layout, replica, data, seed: problem.seed, worker, steps, moments }
      const options = { ...common, stepsPerRound: steps, terms, before, own }
      const { end, made } = await makeContribution(trainerOf(run), options)
      const state = end.slice(layout.slots.length)
      if (plan.moments === 'kept') states[worker] = state
      if (plan.moments === '8-bit') states[worker] = inEightBits(state)
      const update = decode(made.payload, form)
      contributions.push({ update, weight: steps })
      kept[worker] = { before: floats(made.ifAccepted), own: terms.overlap ? update : undefined }
      lastBytes = made.payload.byteLength
      sentBytes += lastBytes / workers
    }
    replica = advance(layout, replica, { contributions, terms })
  }
  const tokens = workers * rounds * steps * problem.tokens
  const loss = problem.loss(replica.parameters)
  return { loss, parameters: length, tokens, sentBytes, lastBytes }
}

type Kept = { before?: Float32Array; own?: ReturnType<typeof decode> | undefined }

/**
 * The same tokens on one machine: as many steps as a worker takes with the batches of all, which is also what
 * workers that exchange every gradient compute, or all workers' steps one after the other.
 */
async function onOneMachine(backend: Backend, plan: Plan): Promise<Course> {
  const { rule, workers, rounds, seed, rate, beta2, floor } = plan
  const isWide = rule === 'machine'
  const rows = (plan.rows ?? sizes.rows) * (isWide ? workers : 1)
  const steps = rounds * plan.steps * (isWide ? 1 : workers)
  await using problem = await prepare(backend, { seed, rate, steps, beta2, rows, floor })
  const { layout, run, data, start } = problem
  const options = { layout, data, seed: problem.seed, worker: 0, steps, stepsPerRound: steps }
  const end = await runSegment(run, { ...options, replica: { rounds: 0, parameters: start } })
  const parameters = lengthOf(layout)
  const loss = problem.loss(end.slice(0, layout.slots.length))
  return { loss, parameters, tokens: steps * problem.tokens, sentBytes: 0, lastBytes: 0 }
}

/** The terms of an order by a plan's rule. */
function termsOf({ rule, rounds, terms }: Plan): Terms {
  const common = { keptLast: 256, outerRateMicro: 1_000_000 }
  return trainingOrder({ buyer: `0x${'11'.repeat(20)}`, rule, rounds, ...common, ...terms })
}

/** Moments as 8-bit integers with a power of two for each 4,096: means as they are, squares by their roots. */
function inEightBits(state: readonly Uint8Array[]): readonly Uint8Array[] {
  return state.map((bytes, at) => {
    if (at === state.length - 1) return bytes
    const values = floats(bytes)
    const isSquare = at % 2 === 1
    const { length } = values
    const form = { length, begin: 0, end: length, bits: 8 }
    const rounded = toVector(from(isSquare ? values.map(Math.sqrt) : values, form))
    const back = Float32Array.from(rounded, (each) => (isSquare ? each * each : each))
    return new Uint8Array(back.buffer)
  })
}
