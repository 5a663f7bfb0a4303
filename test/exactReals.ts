/**
 * Functions of real numbers to some 300 binary places, in whole numbers of 2^-320: what the engine's
 * f32 functions are measured against.
 */

/** A real number as a whole number of 2^-320. */
export type Real = bigint

const places = 320n
const one = 1n << places

export function fromNumber(x: number): Real {
  return BigInt(x * 2 ** 149) << (places - 149n)
}

/** How far an f32 lies from a real number, in units of the last place that the real number has in f32. */
export function ulps(found: number, real: Real): number {
  const size = BigInt(Math.max(magnitude(real).toString(2).length - 24, Number(places) - 149))
  const distance = magnitude(fromNumber(found) - real)
  return Number((distance << 40n) >> size) / 2 ** 40
}

export function exp(x: Real): Real {
  const k = divide(x, ln2) >> places
  if (k < -300n) return 0n
  // e^x = 2^k * (e^(r / 256))^256, r from 0 to ln 2.
  let sum = series((x - k * ln2) >> 8n, (term, n) => term / n)
  for (let i = 0; i < 8; i++) sum = times(sum, sum)
  return k < 0n ? sum >> -k : sum << k
}

/** By one of Halley's steps from what f64 gives, which triples the number of right places. */
export function log(x: Real): Real {
  const near = fromNumber(Math.fround(Math.log(toNumber(x))))
  return [1, 2].reduce((y) => {
    const power = exp(y)
    return y + divide(2n * (x - power), x + power)
  }, near)
}

export function rsqrt(x: Real): Real {
  return squareRoot((one * one * one) / x)
}

export function sigmoid(x: Real): Real {
  return divide(one, one + exp(-x))
}

export function silu(x: Real): Real {
  return times(x, sigmoid(x))
}

/** The tanh form: x / (1 + e^(-2 sqrt(2 / pi) (x + 0.044715 x^3))). */
export function gelu(x: Real): Real {
  const cube = times(times(x, x), x)
  const inner = x + (cube * 44_715n) / 1_000_000n
  return times(x, sigmoid(2n * times(squareRoot(divide(2n * one, pi) * one), inner)))
}

export function tanh(x: Real): Real {
  return one - divide(2n * one, exp(2n * x) + one)
}

export function sin(x: Real): Real {
  const turns = (divide(x, pi / 2n) + one / 2n) >> places
  const r = x - turns * (pi / 2n)
  const square = times(r, r)
  const alternating = (first: Real, from: bigint) => {
    let [sum, term, n] = [first, first, from]
    while (term !== 0n) {
      term = -times(term, square) / ((n + 1n) * (n + 2n))
      sum += term
      n += 2n
    }
    return sum
  }
  const quarter = ((turns % 4n) + 4n) % 4n
  const value = quarter % 2n === 0n ? alternating(r, 1n) : alternating(one, 0n)
  return quarter < 2n ? value : -value
}

export function cos(x: Real): Real {
  return sin(x + pi / 2n)
}

/** By Machin: pi / 4 = 4 arctan(1/5) - arctan(1/239). */
const pi = 4n * (4n * arctanOfInverse(5n) - arctanOfInverse(239n))
/** ln 2 = 2 artanh(1/3). */
const ln2 = 2n * arctanOfInverse(3n, 1n)

function arctanOfInverse(n: bigint, sign = -1n): Real {
  let [power, sum, k] = [one / n, one / n, 1n]
  while (power !== 0n) {
    power = (sign * power) / (n * n)
    k += 2n
    sum += power / k
  }
  return sum
}

function series(x: Real, next: (term: Real, n: bigint) => Real): Real {
  let [sum, term, n] = [one, one, 1n]
  while (term !== 0n) {
    term = next(times(term, x), n++)
    sum += term
  }
  return sum
}

function times(a: Real, b: Real): Real {
  return (a * b) / one
}

function divide(a: Real, b: Real): Real {
  return (a << places) / b
}

function squareRoot(x: bigint): bigint {
  let root = 1n << BigInt(Math.ceil(x.toString(2).length / 2))
  for (;;) {
    const next = (root + x / root) >> 1n
    if (next >= root) return root
    root = next
  }
}

function magnitude(x: Real): Real {
  return x < 0n ? -x : x
}

/** Rounded; for values that f64 holds. */
function toNumber(x: Real): number {
  const excess = Math.max(0, magnitude(x).toString(2).length - 60)
  return Number(x >> BigInt(excess)) * 2 ** (excess - Number(places))
}
