/**
 * The transcendental functions of SPEC.md section 2, as parts of map programs: each writes its fixed
 * sequence of instructions, so that they compose inside larger programs. Coefficients are bit
 * patterns of f32, highest power first.
 *
 * @example
 * ```ts
 * const softplus = Program.write(1, (w, x) => log(w, w.add(w.f32(1), exp(w, x))))
 * ```
 */
import type { Register, Writer } from './Program.ts'

type Part = (w: Writer, x: Register) => Register

/** e^x: within 1.4 ulp where the result is normal; overflows to infinity, underflows to +0. */
export const exp: Part = (w, x) => {
  // Adding 1.5 * 2^23 rounds x / ln 2 to an integer, which then stands in the low bits of t.
  const t = w.fma(x, w.bits(0x3fb8_aa3b), w.f32(magic))
  const n = w.sub(t, w.f32(magic))
  let r = w.fma(n, w.bits(0xbf31_7218), x)
  r = w.fma(n, w.bits(0x3102_e308), r)
  const p = horner(w, r, [0x3abc_81b9, 0x3c09_004d, 0x3d2a_a49f, 0x3e2a_aa70, 0x3f00_0002])
  const y = w.add(w.fma(p, w.mul(r, r), r), w.f32(1))
  // Two powers of two, since one may lie outside the range of f32.
  const k = w.isub(t, w.bits(0x4b40_0000))
  const k1 = w.shrs(k, w.bits(1))
  const k2 = w.isub(k, k1)
  const power = (exponent: Register) => w.shl(w.iadd(exponent, w.bits(127)), w.bits(23))
  const scaled = w.mul(w.mul(y, power(k1)), power(k2))
  const atMost = w.select(w.lt(w.bits(0x42b1_7218), x), w.f32(Infinity), scaled)
  return w.select(w.lt(x, w.bits(0xc2cf_f1b5)), w.f32(0), atMost)
}

/** Natural logarithm: within 0.8 ulp; -infinity at zero, NaN below. */
export const log: Part = (w, x) => {
  const small = w.lt(x, w.bits(0x0080_0000))
  const scaled = w.select(small, w.mul(x, w.f32(2 ** 23)), x)
  // x = (1 + f) * 2^e with 1 + f from sqrt(1/2) to sqrt(2).
  const b = w.isub(scaled, w.bits(0x3f35_04f3))
  const mantissa = w.iadd(w.and(b, w.bits(0x007f_ffff)), w.bits(0x3f35_04f3))
  const f = w.sub(mantissa, w.f32(1))
  const e = w.sub(w.float(w.shrs(b, w.bits(23))), w.and(small, w.f32(23)))
  const p = horner(
    w,
    f,
    [
      0x3d8d_ae30, 0xbdf1_884d, 0x3df3_2cea, 0xbdfd_9eca, 0x3e11_98eb, 0xbe2a_b181, 0x3e4c_d2a9,
      0xbe7f_fff7, 0x3eaa_aaa3,
    ],
  )
  const z = w.mul(f, f)
  let y = w.mul(w.mul(p, f), z)
  y = w.fma(e, w.bits(0xb102_e308), y)
  y = w.fma(w.f32(-0.5), z, y)
  y = w.add(f, y)
  y = w.fma(e, w.bits(0x3f31_7218), y)
  y = w.select(w.eq(x, w.f32(Infinity)), x, y)
  y = w.select(w.eq(x, w.f32(0)), w.f32(-Infinity), y)
  return w.select(w.le(w.f32(0), x), y, nan(w))
}

/** 1 / sqrt(x): within 1.5 ulp. */
export const rsqrt: Part = (w, x) => w.div(w.f32(1), w.sqrt(x))

/** 1 / (1 + e^-x): within 2.5 ulp where e^-x is finite. */
export const sigmoid: Part = (w, x) => w.div(w.f32(1), onePlusExpOfMinus(w, x))

/** x * sigmoid(x): -0 at -infinity. */
export const silu: Part = (w, x) => gated(w, x, x)

/** x * sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3)), the tanh form of GELU: -0 at -infinity. */
export const gelu: Part = (w, x) =>
  gated(w, x, w.mul(x, w.fma(w.mul(x, x), w.bits(0x3d92_2279), w.bits(0x3fcc_422a))))

/** Hyperbolic tangent: within 1.4 ulp. */
export const tanh: Part = (w, x) => {
  const a = magnitude(w, x)
  const z = w.mul(x, x)
  const p = horner(w, z, [0xbbb9_7e24, 0x3ca8_c58b, 0xbd5c_132e, 0x3e08_8347, 0xbeaa_aa98])
  const near = w.fma(w.mul(p, z), x, x)
  const e = exp(w, w.add(a, a))
  const far = w.sub(w.f32(1), w.div(w.f32(2), w.add(e, w.f32(1))))
  return w.select(w.lt(a, w.f32(0.625)), near, w.or(far, w.and(x, w.bits(signBit))))
}

/** Sine of x up to 2^20 in magnitude, NaN beyond: within 1.6 ulp up to 8192. */
export const sin: Part = (w, x) => quarterTurns(w, x, 0)

/** Cosine, as `sin`. */
export const cos: Part = (w, x) => quarterTurns(w, x, 1)

const magic = 12_582_912
const signBit = 0x8000_0000

function horner(w: Writer, x: Register, coefficients: readonly number[]): Register {
  return coefficients
    .slice(1)
    .reduce((sum, next) => w.fma(sum, x, w.bits(next)), w.bits(coefficients[0]!))
}

function onePlusExpOfMinus(w: Writer, x: Register): Register {
  return w.add(w.f32(1), exp(w, w.sub(w.f32(0), x)))
}

function gated(w: Writer, x: Register, gate: Register): Register {
  const y = w.div(x, onePlusExpOfMinus(w, gate))
  return w.select(w.eq(x, w.f32(-Infinity)), w.bits(signBit), y)
}

/** Sine of x plus a number of quarter turns. */
function quarterTurns(w: Writer, x: Register, turns: number): Register {
  const t = w.fma(x, w.bits(0x3f22_f983), w.f32(magic))
  const n = w.sub(t, w.f32(magic))
  let r = w.fma(n, w.bits(0xbfc9_0fdb), x)
  r = w.fma(n, w.bits(0x333b_bd2e), r)
  r = w.fma(n, w.bits(0x26f7_2ced), r)
  const z = w.mul(r, r)
  const s = horner(w, z, [0xb94c_a5a0, 0x3c08_83ab, 0xbe2a_aaa3])
  const sine = w.fma(w.mul(s, z), r, r)
  const c = horner(w, z, [0x37cc_ffa0, 0xbab6_0641, 0x3d2a_aaa5])
  const cosine = w.fma(w.mul(c, z), z, w.fma(w.f32(-0.5), z, w.f32(1)))
  const k = turns === 0 ? t : w.iadd(t, w.bits(turns))
  const isOdd = w.isub(w.bits(0), w.and(k, w.bits(1)))
  const turned = w.and(w.shl(k, w.bits(30)), w.bits(signBit))
  const y = w.xor(w.select(isOdd, cosine, sine), turned)
  return w.select(w.le(magnitude(w, x), w.f32(2 ** 20)), y, nan(w))
}

function magnitude(w: Writer, x: Register): Register {
  return w.and(x, w.bits(0x7fff_ffff))
}

function nan(w: Writer): Register {
  return w.bits(0x7fc0_0000)
}
