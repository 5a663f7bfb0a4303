import { keystream } from './keystream.ts'

/** The widest noise that is drawn exactly in 64-bit floats. */
export const widestSigma = 2 ** 22

/**
 * Draws independent integers with probability proportional to exp(-x^2 / 2 sigma^2), exactly: by
 * comparisons of uniform integers alone, because the low bits of a rounded float would tell what the
 * noise hides (Mironov, "On significance of the least significant bits for differential privacy", 2012).
 * The method is Karney's algorithm D ("Sampling exactly from the normal distribution", 2016) for a whole
 * sigma and mean 0; exp(-a/b) is decided as by Canonne, Kamath and Steinke (2020), algorithm 1.
 *
 * @param options.sigma a whole number up to `widestSigma`; 0 gives zeros.
 * @param options.key 32 secret bytes that are used for nothing else.
 */
export function discreteGaussian(
  length: number,
  { sigma, key }: { sigma: number; key: Uint8Array },
): Int32Array {
  if (!Number.isInteger(sigma) || sigma < 0 || sigma > widestSigma)
    throw new RangeError(`Sigma is a whole number up to ${widestSigma}, not ${sigma}.`)
  const noise = new Int32Array(length)
  if (sigma === 0) return noise
  const coin = startCoin(key)
  return noise.map(() => draw(sigma, coin))
}

/** One integer: |x| = k sigma + j, where k is drawn from exp(-k^2 / 2) and the rest accepted with what is left. */
function draw(sigma: number, { below, isExp }: Coin): number {
  const square = 2 * sigma * sigma
  for (;;) {
    let k = 0
    while (isExp(1, 2)) k++
    if (!isExp(k * (k - 1), 2)) continue
    const j = below(sigma)
    const isNegative = below(2) === 1
    // Zero has one sign only.
    if (isNegative && k === 0 && j === 0) continue
    if (!isExp(j * (2 * k * sigma + j), square)) continue
    const magnitude = k * sigma + j
    return isNegative ? -magnitude : magnitude
  }
}

type Coin = {
  /** A uniform whole number below a limit of 2^53 at most. */
  readonly below: (limit: number) => number
  /** True with probability exp(-a / b). */
  readonly isExp: (a: number, b: number) => boolean
}

function startCoin(key: Uint8Array): Coin {
  const next = keystream(key)
  const below = (limit: number): number => {
    const isSmall = limit <= 2 ** 32
    const range = isSmall ? 2 ** 32 : 2 ** 53
    const fair = range - (range % limit)
    for (;;) {
      const drawn = isSmall ? next() : (next() >>> 11) * 2 ** 32 + next()
      if (drawn < fair) return drawn % limit
    }
  }
  /** For a at most b: the first k at which a uniform number below b k is not below a is odd. */
  const isUnitExp = (a: number, b: number): boolean => {
    let k = 1
    while (below(b * k) < a) k++
    return k % 2 === 1
  }
  return {
    below,
    isExp(a, b) {
      for (; a > b; a -= b) if (!isUnitExp(b, b)) return false
      return isUnitExp(a, b)
    },
  }
}
