/**
 * The f32 nearest to a * b + c, rounded once (ties to even): IEEE-754 fusedMultiplyAdd on binary32.
 *
 * The product of two f32 is exact in f64, so s = a * b + c is rounded to 53 bits only. Rounding s again
 * to 24 bits goes wrong in one case alone: when s was rounded on to a point halfway between two f32.
 * There, and where the result is subnormal and so has fewer bits, s is first rounded to odd: the last
 * bit of s remembers that s is not exact, which keeps it off every halfway point (Boldo and
 * Melquiond, Emulation of FMA and correctly rounded sums, 2008).
 *
 * @param a an f32, as are b and c; `Math.fround` a number that may not be one.
 */
export function fma32(a: number, b: number, c: number): number {
  const product = a * b
  const s = product + c
  f64[0] = s
  const halfway = (u32[0]! & 0x1fff_ffff) === 0x1000_0000
  const normal = s >= minNormal || s <= -minNormal
  if (normal && !halfway) return Math.fround(s)

  // What the addition lost (Knuth's two-sum, exact). NaN when s is not finite, and then nothing is done.
  const d = s - product
  const lost = product - (s - d) + (c - d)
  const isEven = (u32[0]! & 1) === 0
  if (isEven && Math.abs(lost) > 0) {
    if (lost > 0 === s > 0) u32[0]! += 1
    else {
      if (u32[0] === 0) u32[1]! -= 1
      u32[0]! -= 1
    }
  }
  return Math.fround(f64[0])
}

const minNormal = 2 ** -126
const f64 = new Float64Array(1)
/** Low word, high word: every machine that Node runs on is little-endian. */
const u32 = new Uint32Array(f64.buffer)
