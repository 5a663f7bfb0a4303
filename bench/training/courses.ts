import {
  annealedKept,
  SparseUpdate,
  accumulate,
  apply,
  mean,
  subtractSent,
} from '../../src/training/index.ts'
import { flatten, unflatten } from '../../src/training/Replica.ts'
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
export function dataParallel(
  problem: Problem,
  { workers, steps }: { workers: number; steps: number },
): Promise<Course> {
  const { wide, rows, length, layout, start } = problem
  wide.restore(stateFrom(problem.wide, { parameters: start, step: 0 }))
  for (let step = 0; step < steps; step++)
    wide.step([problem.batch({ step, worker: 0, rows: rows * workers })])
  const loss = problem.evaluate(wide.state().slice(0, layout.slots.length))
  const size = flatten(layout, start).length
  const bytes = 2 * 4 * size * ((workers - 1) / workers)
  return Promise.resolve({ loss, bytesPerToken: bytes / (rows * length), lastBitsPerParameter: 32 })
}

/** Rounds of inner steps, each worker on its own data, joined by an outer rule. */
export function inRounds(problem: Problem, options: inRounds.Options): Promise<Course> {
  const { run, rows, length, layout } = problem
  const { workers, steps, rounds, rule, first = 1024, last = 64, keep = false, rate = 1 } = options
  let parameters = problem.start
  const size = flatten(layout, parameters).length
  const errors = Array.from({ length: workers }, () => new Float32Array(size))
  const momentum = new Float32Array(size)
  const kept: (readonly Uint8Array[])[] = []
  let [bytes, lastBytes] = [0, 0]
  for (let round = 0; round < rounds; round++) {
    const parent = flatten(layout, parameters)
    const sums = new Float64Array(size)
    const contributions = errors.map((error, worker) => {
      const moments = keep ? kept[worker] : undefined
      run.restore(stateFrom(run, { parameters, step: round * steps, moments }))
      for (let step = round * steps; step < (round + 1) * steps; step++)
        run.step([problem.batch({ step, worker, rows })])
      const end = run.state()
      kept[worker] = end.slice(layout.slots.length)
      const trained = flatten(layout, end.slice(0, layout.slots.length))
      if (rule === 'diloco') {
        trained.forEach((each, at) => (sums[at]! += (parent[at]! - each) / workers))
        lastBytes = size * 4
        bytes += lastBytes
        return undefined
      }
      accumulate(error, { parent, trained })
      const update = SparseUpdate.choose(error, annealedKept(round, { rounds, first, last }))
      subtractSent(error, update)
      lastBytes = SparseUpdate.encode(update).byteLength
      bytes += lastBytes
      return { update, weight: steps }
    })
    const vector = parent.slice()
    if (rule === 'diloco') nesterov(vector, { sums, momentum })
    else apply(vector, mean(contributions.filter((each) => each !== undefined)), rate)
    parameters = unflatten(layout, parameters, vector)
  }
  const tokens = rounds * steps * rows * length
  return Promise.resolve({
    loss: problem.evaluate(parameters),
    bytesPerToken: bytes / workers / tokens,
    lastBitsPerParameter: (lastBytes * 8) / size,
  })
}

export declare namespace inRounds {
  type Options = {
    workers: number
    steps: number
    rounds: number
    rule: 'sparse' | 'diloco'
    /** Entries of a block of 4,096 that are sent, at first and at last. */
    first?: number
    last?: number
    /** Whether workers keep their optimiser's moments from round to round. */
    keep?: boolean
    /** The outer rate. */
    rate?: number
  }
}

/** DiLoCo's outer step: Nesterov momentum 0.9 at rate 0.7 (arXiv 2311.08105). */
function nesterov(
  vector: Float32Array,
  { sums, momentum }: { sums: Float64Array; momentum: Float32Array },
): void {
  for (let at = 0; at < vector.length; at++) {
    momentum[at] = 0.9 * momentum[at]! + sums[at]!
    vector[at] = vector[at]! - 0.7 * (sums[at]! + 0.9 * momentum[at]!)
  }
}

/** A whole state: parameters, moments (zeros unless given), the step counter. */
function stateFrom(
  { graph }: Problem['run'],
  {
    parameters,
    step,
    moments,
  }: {
    parameters: readonly Uint8Array[]
    step: number
    moments?: readonly Uint8Array[] | undefined
  },
): readonly Uint8Array[] {
  return graph.state.map((slot, index) => {
    if (index < parameters.length) return parameters[index]!
    if (slot.name === 'step') return new Uint8Array(Uint32Array.of(step).buffer)
    return (
      moments?.[index - parameters.length] ??
      new Uint8Array(slot.shape.reduce((product, size) => product * size, 4))
    )
  })
}
