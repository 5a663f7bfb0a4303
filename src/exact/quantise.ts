import * as Elementwise from './Elementwise.ts'
import { contract, contractI8, map, reduce, reshape, type Tensor } from './Tensor.ts'

/** How far integers reach from zero: the left operand of an integer product, and the right one. */
export const ranges = { left: 127, right: 63 } as const

/** Integers and what to multiply them by: one scale for each line along the axis. */
export type Quantised = {
  readonly values: Tensor
  /** The shape of x without the axis. */
  readonly scales: Tensor
}

/** Rounds lines of x along an axis to integers within a range: the nearest to x * (range / largest magnitude). */
export function quantise(x: Tensor, axis: number, range: number): Quantised {
  return split(x, axis, range).high
}

/** x as two quantised parts: the nearest integers, and what they leave, quantised with scales of its own. */
function inTwoParts(x: Tensor, axis: number, range: number) {
  const { high, rest } = split(x, axis, range)
  return { high, low: quantise(rest, axis, range) }
}

/**
 * Matrix product of quantised operands: `i8` one integer product; `i8x3` three, of operands in two
 * parts, added in the order high-high, high-low, low-high.
 */
export function quantisedProduct(a: Tensor, b: Tensor, options: quantisedProduct.Options): Tensor {
  const { profile, ...transposes } = options
  const [axisA, axisB] = [transposes.transposeA ? -2 : -1, transposes.transposeB ? -1 : -2]
  const multiply = (left: Quantised, right: Quantised) =>
    contractI8(
      { a: left.values, b: right.values, scaleA: left.scales, scaleB: right.scales },
      transposes,
    )
  if (profile === 'i8')
    return remember(multiply(quantise(a, axisA, ranges.left), quantise(b, axisB, ranges.right)), {
      a,
      b,
      ...options,
    })
  const left = inTwoParts(a, axisA, ranges.left)
  const right = inTwoParts(b, axisB, ranges.right)
  const sum = map(Elementwise.add, [
    map(Elementwise.add, [multiply(left.high, right.high), multiply(left.high, right.low)]),
    multiply(left.low, right.high),
  ])
  return remember(sum, { a, b, ...options })
}

export declare namespace quantisedProduct {
  type Options = contract.Options & { profile: 'i8' | 'i8x3' }
}

/** What a quantised product multiplied, so that autodiff can pass over the rounding (straight through). */
export type QuantisedProduct = quantisedProduct.Options & {
  readonly a: Tensor
  readonly b: Tensor
}

/** The operands of a tensor that `quantisedProduct` gave, undefined for any other. */
export function operandsOf(tensor: Tensor): QuantisedProduct | undefined {
  return products.get(tensor)
}

const products = new WeakMap<Tensor, QuantisedProduct>()

function remember(tensor: Tensor, product: QuantisedProduct): Tensor {
  products.set(tensor, product)
  return tensor
}

function split(x: Tensor, axis: number, range: number) {
  const largest = reduce('max', map(Elementwise.magnitude, [x]), axis)
  const scales = map(Elementwise.divideBy(range), [largest])
  const inverses = map(Elementwise.quantisationInverse(range), [largest])
  return {
    high: {
      values: map(Elementwise.quantised(range), [x, inverses], { dtype: 'i8' }),
      scales: withoutAxis(scales, axis),
    },
    rest: map(Elementwise.quantisationRest(range), [x, inverses, scales]),
  }
}

function withoutAxis(x: Tensor, axis: number): Tensor {
  const at = axis < 0 ? axis + x.shape.length : axis
  return reshape(x, x.shape.toSpliced(at, 1))
}
