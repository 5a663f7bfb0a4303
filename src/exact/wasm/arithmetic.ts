/** Fused multiply-add by the machine, or emulated. */
import { type Assembler, type Code, type Local, type Scope } from './assemble.ts'
import { call, f32x4, f64x2, i32, i64x2, v128, when } from './instructions.ts'

/** How four multiply-adds are rounded once: the machine's own, or f64 arithmetic that gives the same bits. */
export type Fusion = 'fused' | 'emulated'

/** Code of a * b + c on four lanes. */
export type MultiplyAdd = (a: Code, b: Code, c: Code) => Code

export function multiplyAdd(module: Assembler, fusion: Fusion): MultiplyAdd {
  if (fusion === 'fused') return f32x4.relaxedMadd
  const emulated = module.once('multiply-add', () =>
    module.define({ parameters: ['v128', 'v128', 'v128'], results: ['v128'] }, emulate),
  )
  return (a, b, c) => call(emulated, a, b, c)
}

/**
 * The product of two f32 is exact in f64. Its sum with c, rounded to 53 bits and then to 24, goes wrong
 * only where the first rounding ends halfway between two f32 or the result is subnormal; there the
 * first rounding is to odd (Boldo and Melquiond, 2008).
 */
function emulate({ parameters, local }: Scope): Code {
  const [a, b, c] = parameters as [Local, Local, Local]
  const [low, high] = [local('v128'), local('v128')]
  const [product, other] = [local('v128'), local('v128')]
  const [cLow, cHigh] = [local('v128'), local('v128')]
  const upper = (x: Local) => f64x2.promoteLowF32x4(v128.shuffle(x.get, x.get, upperHalf))
  const lower = (x: Local) => f64x2.promoteLowF32x4(x.get)
  return [
    cLow.set(lower(c)),
    cHigh.set(upper(c)),
    product.set(f64x2.mul(lower(a), lower(b))),
    other.set(f64x2.mul(upper(a), upper(b))),
    low.set(f64x2.add(product.get, cLow.get)),
    high.set(f64x2.add(other.get, cHigh.get)),
    when(v128.anyTrue(v128.or(isDelicate(low), isDelicate(high))), [
      low.set(roundedToOdd(local, product, cLow, low)),
      high.set(roundedToOdd(local, other, cHigh, high)),
    ]),
    v128.shuffle(
      f32x4.demoteF64x2Zero(low.get),
      f32x4.demoteF64x2Zero(high.get),
      [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23],
    ),
  ]
}

const upperHalf = [8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15]

/** Where rounding twice could differ from rounding once: halfway between two f32, or below the normal ones. */
function isDelicate(sum: Local): Code {
  const rest = v128.and(sum.get, v128.const([0x1fff_ffff, 0, 0x1fff_ffff, 0]))
  const isHalfway = i64x2.eq(rest, v128.const([0x1000_0000, 0, 0x1000_0000, 0]))
  const leastNormal = v128.const([0, 0x3810_0000, 0, 0x3810_0000])
  return v128.or(isHalfway, f64x2.lt(f64x2.abs(sum.get), leastNormal))
}

/** The sum of two f64, its last bit set where it is not exact. NaN compares false, and changes nothing. */
function roundedToOdd(local: Scope['local'], p: Local, c: Local, s: Local): Code {
  const [b, lost, isNegative, isEven] = [local('v128'), local('v128'), local('v128'), local('v128')]
  const [up, down] = [local('v128'), local('v128')]
  const zeros = v128.splat(0)
  return [
    b.set(f64x2.sub(s.get, p.get)),
    lost.set(f64x2.add(f64x2.sub(p.get, f64x2.sub(s.get, b.get)), f64x2.sub(c.get, b.get))),
    isNegative.set(f64x2.lt(s.get, zeros)),
    isEven.set(i64x2.eq(i64x2.shl(s.get, i32.const(63)), zeros)),
    up.set(v128.and(f64x2.gt(lost.get, zeros), isEven.get)),
    down.set(v128.and(f64x2.lt(lost.get, zeros), isEven.get)),
    // Away from zero where the loss has the sign of the sum, towards it elsewhere.
    i64x2.add(
      s.get,
      i64x2.sub(
        v128.bitselect(up.get, down.get, isNegative.get),
        v128.bitselect(down.get, up.get, isNegative.get),
      ),
    ),
  ]
}
