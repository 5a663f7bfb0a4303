import { PayloadError } from './PayloadError.ts'
import { forEach, type Update } from './Update.ts'

/** One worker's update and how much it counts: the steps that it took. */
export type Contribution = { readonly update: Update; readonly weight: number }

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
