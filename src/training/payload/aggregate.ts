import { PayloadError } from './PayloadError.ts'
import { forEach, limits, squaredNorm, type SparseUpdate } from './SparseUpdate.ts'

/** One worker's update and how much it counts: the steps that it took. */
export type Contribution = { readonly update: SparseUpdate; readonly weight: number }

/**
 * The weighted mean of updates. All they stand for are whole multiples of 2^-40 with a sum below 2^13, so
 * the sum in 64-bit floats is exact: it does not depend on the order, and anyone gets the same bits.
 *
 * @throws {PayloadError} when there are none, they differ in length, or their weights exceed 4,096.
 */
export function mean(contributions: readonly Contribution[]): Float32Array {
  const [first] = contributions
  if (!first) throw new PayloadError('There is nothing to aggregate: no worker delivered.')
  const { length } = first.update
  const total = contributions.reduce((sum, { weight }) => sum + weight, 0)
  const sound = contributions.every(
    ({ update, weight }) => update.length === length && Number.isInteger(weight) && weight > 0,
  )
  if (!sound || total > greatestWeight)
    throw new PayloadError('The updates of a round are of one length, with weights up to 4,096.')
  const sum = new Float64Array(length)
  for (const { update, weight } of contributions)
    forEach(update, (index, value) => {
      sum[index]! += value * weight
    })
  return Float32Array.from(sum, (each) => each / total)
}

/** Weights of a round add up to this at most, so that sums stay exact. */
export const greatestWeight = 4096

/**
 * Moves a vector by a mean update: `theta - rate * mean`, each operation rounded to binary32.
 *
 * @param theta is changed.
 */
export function apply(theta: Float32Array, update: Float32Array, rate: number): void {
  const factor = Math.fround(rate)
  for (let index = 0; index < theta.length; index++)
    theta[index] = Math.fround(theta[index]! - Math.fround(factor * update[index]!))
}

/**
 * Scales updates down whose norm is over `tolerance` times the median of the round, by the least power of
 * two that brings them below: a worker cannot outshout the others, and sums stay exact.
 */
export function clipToMedian(
  updates: readonly SparseUpdate[],
  tolerance = 2,
): readonly SparseUpdate[] {
  const norms = updates.map(squaredNorm)
  const sorted = norms.toSorted((a, b) => a - b)
  const median = sorted[Math.floor((sorted.length - 1) / 2)] ?? 0
  const limit = median * tolerance * tolerance
  return updates.map((update, at) => {
    let shift = 0
    while (norms[at]! / 4 ** shift > limit && shift < 64) shift++
    return shift === 0 ? update : scaled(update, shift)
  })
}

/** An update divided by 2^shift; a block that falls below the least scale stays there. */
function scaled(update: SparseUpdate, shift: number): SparseUpdate {
  const { least } = limits.exponent
  return { ...update, exponents: update.exponents.map((each) => Math.max(least, each - shift)) }
}
