/**
 * The map programs that `ops.ts` applies, one function each, so that autodiff can give each its
 * derivative; those with a parameter are functions.
 */
import { type Program, type Register, write, type Writer } from './Program.ts'
import * as Transcendentals from './transcendentals.ts'

export const add = write(2, (w, a, b) => w.add(a, b))
export const sub = write(2, (w, a, b) => w.sub(a, b))
export const mul = write(2, (w, a, b) => w.mul(a, b))
export const div = write(2, (w, a, b) => w.div(a, b))
export const maximum = write(2, (w, a, b) => w.max(a, b))
export const minimum = write(2, (w, a, b) => w.min(a, b))
/** a * b + c, rounded once. */
export const fma = write(3, (w, a, b, c) => w.fma(a, b, c))
/** b where the condition (f32 or u32) is not zero, c where it is. */
export const where = write(3, (w, condition, b, c) => w.select(w.eq(condition, w.f32(0)), c, b))

export const neg = write(1, (w, x) => w.mul(x, w.f32(-1)))
export const sqrt = write(1, (w, x) => w.sqrt(x))
export const exp = write(1, Transcendentals.exp)
export const log = write(1, Transcendentals.log)
export const rsqrt = write(1, Transcendentals.rsqrt)
export const sigmoid = write(1, Transcendentals.sigmoid)
export const silu = write(1, Transcendentals.silu)
export const gelu = write(1, Transcendentals.gelu)
export const tanh = write(1, Transcendentals.tanh)
export const sin = write(1, Transcendentals.sin)
export const cos = write(1, Transcendentals.cos)
/** The square of what is above zero. */
export const reluSquared = write(1, (w, x) => {
  const positive = w.max(x, w.f32(0))
  return w.mul(positive, positive)
})
/** e^(a - b), the difference no lower than -60: small results stay clear of subnormals, which are slow. */
export const expOfDifference = write(2, (w, a, b) =>
  Transcendentals.exp(w, w.max(w.sub(a, b), w.f32(-60))),
)

/** x * factor. */
export function scale(factor: number): Program {
  return write(1, (w, x) => w.mul(x, w.f32(factor)))
}
/** x / divisor. */
export function divideBy(divisor: number): Program {
  return write(1, (w, x) => w.div(x, w.f32(divisor)))
}
/** x + term. */
export function shift(term: number): Program {
  return write(1, (w, x) => w.add(x, w.f32(term)))
}
/** An f32 from nothing. */
export function constant(value: number): Program {
  return write(0, (w) => w.f32(value))
}

/** A u32 from nothing. */
export function word(value: number): Program {
  return write(0, (w) => w.bits(value))
}
/** u32 + term, modulo 2^32. */
export function advance(term: number): Program {
  return write(1, (w, x) => w.iadd(x, w.bits(term)))
}
/** u32 + u32, modulo 2^32. */
export const addWords = write(2, (w, a, b) => w.iadd(a, b))
/** 1 where two u32 are equal, 0 where not, as f32. */
export const equalWords = write(2, (w, a, b) => {
  const difference = w.xor(a, b)
  return w.select(anyBit(w, difference), w.f32(0), w.f32(1))
})
/** 1 where u32 a < b, 0 where not, as f32. */
export const lessWords = write(2, (w, a, b) => {
  // The borrow of a - b, as in Hacker's Delight 2-12.
  const notA = w.xor(a, w.bits(0xffff_ffff))
  const borrow = w.or(w.and(notA, b), w.and(w.or(notA, b), w.isub(a, b)))
  return w.and(w.shrs(borrow, w.bits(31)), w.f32(1))
})
/** A random word as an f32 from 0 to 1 - 2^-24, all multiples of 2^-24. */
export const uniform = write(1, (w, x) => w.mul(w.float(w.shru(x, w.bits(8))), w.f32(2 ** -24)))

/** y * (g - s): the gradient of a softmax y, s the sum of g * y along the row. */
export const softmaxSlope = write(3, (w, y, g, s) => w.mul(y, w.sub(g, s)))
/** e^(x - l), less one where two u32 are equal: the gradient of a cross-entropy, l the log of the sum. */
export const crossEntropySlope = write(4, (w, x, l, label, place) => {
  const power = Transcendentals.exp(w, w.max(w.sub(x, l), w.f32(-60)))
  return w.select(anyBit(w, w.xor(label, place)), power, w.sub(power, w.f32(1)))
})

/** range / m, zero for a row of zeros. */
export function quantisationInverse(range: number): Program {
  return write(1, (w, m) => w.select(w.eq(m, w.f32(0)), w.f32(0), w.div(w.f32(range), m)))
}
/** The integer nearest to x * inverse, no further from zero than the range. NaN gives 0. */
export function quantised(range: number): Program {
  return write(2, (w, x, inverse) => w.nearest(clamped(w, x, inverse, range)))
}
/** What quantising leaves of x: x - scale * the integer, rounded once. */
export function quantisationRest(range: number): Program {
  return write(3, (w, x, inverse, scaleOfRow) => {
    const integer = w.float(w.nearest(clamped(w, x, inverse, range)))
    return w.fma(w.mul(integer, w.f32(-1)), scaleOfRow, x)
  })
}
export const magnitude = write(1, (w, x) => w.and(x, w.bits(0x7fff_ffff)))

function clamped(w: Writer, x: Register, inverse: Register, range: number): Register {
  return w.min(w.max(w.mul(x, inverse), w.f32(-range)), w.f32(range))
}

/** All ones where any bit of x is set. */
function anyBit(w: Writer, x: Register): Register {
  return w.shrs(w.or(x, w.isub(w.bits(0), x)), w.bits(31))
}
