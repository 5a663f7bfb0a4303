/** f32 arithmetic by exact fractions: slow, and another way than the engine's. */

/** a * b + c of f32, rounded once to f32, ties to even. */
export function exactFma(a: number, b: number, c: number): number {
  if (![a, b, c].every(Number.isFinite)) return a * b + c
  const sum = inLeast(a) * inLeast(b) + (inLeast(c) << 149n)
  // What is exactly zero has the sign that ordinary addition gives it.
  return sum === 0n ? a * b + c : nearestF32(sum, 298)
}

/** A whole number of 2^-scale as the nearest f32, ties to even. */
export function nearestF32(whole: bigint, scale: number): number {
  const magnitude = whole < 0n ? -whole : whole
  // The last bit that stays: of 24, or of a subnormal.
  const last = BigInt(Math.max(magnitude.toString(2).length - 24, scale - 149, 1))
  const [kept, rest, half] = [magnitude >> last, magnitude & ((1n << last) - 1n), 1n << (last - 1n)]
  const up = rest > half || (rest === half && (kept & 1n) === 1n)
  const rounded = Math.fround(Number(up ? kept + 1n : kept) * 2 ** (Number(last) - scale))
  return whole < 0n ? -rounded : rounded
}

/** An f32 as a whole number of 2^-149. */
function inLeast(value: number): bigint {
  return BigInt(value * 2 ** 149)
}
