import { unitsPerClip } from './Units.ts'

/** The noise of a sum: what each member adds, and what that costs in privacy. */
export type Noise = {
  /** Standard deviation of each member's own noise, in units; a whole number. */
  readonly sigma: number
  /** How many members' noise is counted on; the others may have told theirs. */
  readonly counted: number
  /** Zero-concentrated differential privacy of one sum (Bun and Steinke 2016); infinite without noise. */
  readonly rho: number
}

/**
 * How much noise the members of a sum add so that together, without those that are not counted on, it is
 * `noiseMicro` millionths of the clipping norm. The sum of n discrete Gaussians has rho = 1 / (2 n sigma^2)
 * for a vector of norm 1, up to a term below 10^-200 for a sigma of 8 units and more (Kairouz, Liu and
 * Steinke, "The Distributed Discrete Gaussian Mechanism for Federated Learning with Secure Aggregation",
 * 2021, proposition 14). Sums, quotients and roots only, so that every fold comes to the same bits.
 */
export function noiseOf({ members, noiseMicro, toleratedMicro }: noiseOf.Options): Noise {
  const counted = members - Math.floor((members * toleratedMicro) / 1e6)
  const sigma = Math.ceil(((noiseMicro / 1e6) * unitsPerClip) / Math.sqrt(counted))
  return { sigma, counted, rho: unitsPerClip ** 2 / (2 * counted * sigma * sigma) }
}

export declare namespace noiseOf {
  type Options = {
    members: number
    noiseMicro: number
    /** Share of members whose noise is not counted on, millionths. */
    toleratedMicro: number
  }
}

/**
 * The epsilon at which rho-zCDP is (epsilon, delta)-differential privacy: the least over all orders alpha
 * of rho alpha + log(1 - 1/alpha) - log(delta alpha) / (alpha - 1), which holds for every one of them
 * (Canonne, Kamath and Steinke, "The Discrete Gaussian for Differential Privacy", 2020, proposition 12;
 * rho-zCDP is Renyi differential privacy of rho alpha, Mironov 2017).
 */
export function epsilonOf(rho: number, delta: number): number {
  if (rho === 0) return 0
  if (!Number.isFinite(rho)) return Infinity
  const at = (logarithm: number) => {
    const over = Math.exp(logarithm)
    return rho * (over + 1) - Math.log1p(1 / over) - Math.log(delta * (over + 1)) / over
  }
  const middle = Math.log(-Math.log(delta) / rho) / 2
  let [low, high] = [middle - 6, middle + 6]
  for (let step = 0; step < 200; step++) {
    const [left, right] = [low + (high - low) / 3, high - (high - low) / 3]
    if (at(left) < at(right)) high = right
    else low = left
  }
  return Math.max(0, at((low + high) / 2))
}

/** The greatest rho, in whole millionths, that is at most (epsilon, delta); 0 when there is none. */
export function rhoMicroFor(epsilon: number, delta: number): number {
  let [low, high] = [0, 2 ** 32 - 1]
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if (epsilonOf(middle / 1e6, delta) <= epsilon) low = middle
    else high = middle - 1
  }
  return low
}
