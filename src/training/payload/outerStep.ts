import { PayloadError } from './PayloadError.ts'
import { fragmentIn, type Terms } from './Rule.ts'

/** How many vectors of the model's length the outer step carries from round to round; they begin at zero. */
export function outerSlots({ rule, outerMomentumMicro, overlap }: Terms): number {
  const moments = rule === 'data-parallel' ? 2 : outerMomentumMicro > 0 ? 1 : 0
  return moments + (overlap ? 1 : 0)
}

/**
 * Moves a vector against the aggregate of a round, or of the round before where aggregates are late. Every
 * operation rounds to binary32, so all machines come to the same.
 *
 * @param theta is changed.
 * @param outer what the step carries, one vector after the other; it is changed.
 */
export function takeOuterStep(
  theta: Float32Array,
  outer: Float32Array,
  { gradient, terms, round }: takeOuterStep.Options,
): void {
  const { length } = theta
  if (outer.length !== outerSlots(terms) * length || gradient.length !== length)
    throw new PayloadError('The outer step is for another model, or by another rule.')
  const parts = Array.from({ length: outerSlots(terms) }, (_, at) =>
    outer.subarray(at * length, (at + 1) * length),
  )
  if (!terms.overlap) return move(theta, parts, { gradient, terms, round })
  const [waiting, ...moments] = parts
  if (round > 0) move(theta, moments, { gradient: waiting!, terms, round: round - 1 })
  waiting!.set(gradient)
}

export declare namespace takeOuterStep {
  type Options = {
    /** The aggregate of the round. */
    gradient: Float32Array
    terms: Terms
    round: number
  }
}

function move(
  theta: Float32Array,
  [first, second]: readonly Float32Array[],
  { gradient, terms, round }: takeOuterStep.Options,
): void {
  const { begin, end } = fragmentIn(terms, { length: theta.length, round })
  if (second) return adamw(theta, { first: first!, second, gradient, terms, round })
  const rate = Math.fround(terms.outerRateMicro / 1e6)
  const momentum = Math.fround(terms.outerMomentumMicro / 1e6)
  for (let at = begin; at < end; at++) {
    let step = gradient[at]!
    if (first) {
      first[at] = Math.fround(Math.fround(momentum * first[at]!) + step)
      // Nesterov's: the momentum as it will be when the next round adds nothing.
      step = Math.fround(step + Math.fround(momentum * first[at]!))
    }
    theta[at] = Math.fround(theta[at]! - Math.fround(rate * step))
  }
}

/**
 * Adam with decoupled decay (Loshchilov and Hutter 2019) on the gradients of a round of one step. The rate
 * rises in a line over the first fiftieth of the rounds and falls in a line to a tenth.
 */
function adamw(
  theta: Float32Array,
  { first, second, gradient, terms, round }: takeOuterStep.Options & Moments,
): void {
  const { rounds, outerRateMicro } = terms
  const rise = Math.min(1, (50 * (round + 1)) / rounds)
  const rate = Math.fround((outerRateMicro / 1e6) * rise * (1 - (0.9 * round) / rounds))
  // The moments are kept with their bias corrected, as the engine's are.
  const weight1 = Math.fround(weightOf(0.9, round))
  const weight2 = Math.fround(weightOf(0.999, round))
  for (let at = 0; at < theta.length; at++) {
    const g = gradient[at]!
    first[at] = Math.fround(first[at]! + Math.fround(Math.fround(g - first[at]!) * weight1))
    const square = Math.fround(g * g)
    second[at] = Math.fround(
      second[at]! + Math.fround(Math.fround(square - second[at]!) * weight2!),
    )
    const root = Math.fround(Math.fround(Math.sqrt(second[at]!)) + epsilon)
    const step = Math.fround(Math.fround(first[at]! / root) + Math.fround(decay * theta[at]!))
    theta[at] = Math.fround(theta[at]! - Math.fround(rate * step))
  }
}

type Moments = { first: Float32Array; second: Float32Array }

const epsilon = Math.fround(1e-8)
const decay = Math.fround(0.01)

/** (1 - beta) / (1 - beta^(round + 1)), by products alone: no machine's power function has a say. */
function weightOf(beta: number, round: number): number {
  let power = 1
  for (let left = Math.min(round + 1, 40_000); left > 0; left--) power *= beta
  return (1 - beta) / (1 - power)
}
