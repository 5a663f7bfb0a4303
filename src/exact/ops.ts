/**
 * What models are written with, in terms of the ops of `Tensor.ts`. Nothing here defines arithmetic:
 * each function says which ops it is made of, and those are judged one by one.
 */
import { giveRule } from './autodiff/GradientRule.ts'
import * as Elementwise from './Elementwise.ts'
import { contract, count, gather, map, reduce, reshape, slice, concat, philox } from './Tensor.ts'
import { ShapeError, type Shape, type Tensor } from './Tensor.ts'
import { quantisedProduct } from './quantise.ts'

export const add = (a: Tensor, b: Tensor): Tensor => map(Elementwise.add, [a, b])
export const sub = (a: Tensor, b: Tensor): Tensor => map(Elementwise.sub, [a, b])
export const mul = (a: Tensor, b: Tensor): Tensor => map(Elementwise.mul, [a, b])
export const div = (a: Tensor, b: Tensor): Tensor => map(Elementwise.div, [a, b])
/** a * b + c, rounded once. */
export const fma = (a: Tensor, b: Tensor, c: Tensor): Tensor => map(Elementwise.fma, [a, b, c])
export const maximum = (a: Tensor, b: Tensor): Tensor => map(Elementwise.maximum, [a, b])
export const minimum = (a: Tensor, b: Tensor): Tensor => map(Elementwise.minimum, [a, b])
/** a where the condition is not zero, b where it is: what stands on the other side leaves no trace. */
export const where = (condition: Tensor, a: Tensor, b: Tensor): Tensor =>
  map(Elementwise.where, [condition, a, b])

export const neg = (x: Tensor): Tensor => map(Elementwise.neg, [x])
export const sqrt = (x: Tensor): Tensor => map(Elementwise.sqrt, [x])
export const rsqrt = (x: Tensor): Tensor => map(Elementwise.rsqrt, [x])
export const exp = (x: Tensor): Tensor => map(Elementwise.exp, [x])
export const log = (x: Tensor): Tensor => map(Elementwise.log, [x])
export const sin = (x: Tensor): Tensor => map(Elementwise.sin, [x])
export const cos = (x: Tensor): Tensor => map(Elementwise.cos, [x])
export const sigmoid = (x: Tensor): Tensor => map(Elementwise.sigmoid, [x])
export const silu = (x: Tensor): Tensor => map(Elementwise.silu, [x])
export const gelu = (x: Tensor): Tensor => map(Elementwise.gelu, [x])
export const tanh = (x: Tensor): Tensor => map(Elementwise.tanh, [x])
/** max(x, 0) squared. */
export const reluSquared = (x: Tensor): Tensor => map(Elementwise.reluSquared, [x])
/** x times a number, which is first rounded to f32; so in `shift`, `divideBy` and `constant`. */
export const scale = (x: Tensor, factor: number): Tensor => map(Elementwise.scale(factor), [x])
export const divideBy = (x: Tensor, divisor: number): Tensor =>
  map(Elementwise.divideBy(divisor), [x])
export const shift = (x: Tensor, term: number): Tensor => map(Elementwise.shift(term), [x])

/** A tensor of one f32. */
export const constant = (value: number, shape: Shape = []): Tensor =>
  map(Elementwise.constant(value), [], { shape })
/** A tensor of one u32. */
export const word = (value: number, shape: Shape = []): Tensor =>
  map(Elementwise.word(value), [], { shape, dtype: 'u32' })

/** Along an axis, which stays with size 1; so in `mean`, `sumOfSquares` and `max`. */
export const sum = (x: Tensor, axis = -1): Tensor => reduce('sum', x, axis)
export const sumOfSquares = (x: Tensor, axis = -1): Tensor => reduce('sumsq', x, axis)
export const max = (x: Tensor, axis = -1): Tensor => reduce('max', x, axis)
/** The sum divided by how many there are. */
export const mean = (x: Tensor, axis = -1): Tensor => divideBy(sum(x, axis), x.shape.at(axis) ?? 1)
/** All elements, to a scalar: a sum along the one axis of x laid flat. */
export const sumAll = (x: Tensor): Tensor => reshape(sum(reshape(x, [count(x.shape)])), [])
/** The squares of all elements, to a scalar. */
export const sumOfSquaresAll = (x: Tensor): Tensor =>
  reshape(sumOfSquares(reshape(x, [count(x.shape)])), [])

/**
 * Softmax along the last axis over the places where the mask (0 or 1, broadcast to x) is 1; +0 at the
 * others, whatever stands there. Places masked at the end never change the bits of the rest, which is
 * how decoding one token equals the whole prompt. A row with no place gives NaN.
 */
export function softmaxMasked(x: Tensor, mask: Tensor): Tensor {
  const visible = where(mask, x, constant(-Infinity))
  const powers = where(mask, map(Elementwise.expOfDifference, [x, max(visible)]), constant(0))
  return withSoftmaxRule(x, div(powers, sum(powers)))
}

/** Softmax along the last axis. */
export function softmax(x: Tensor): Tensor {
  const powers = map(Elementwise.expOfDifference, [x, max(x)])
  return withSoftmaxRule(x, div(powers, sum(powers)))
}

/** Shifting a row changes nothing, so that its gradient need not pass through the greatest. */
function withSoftmaxRule(x: Tensor, y: Tensor): Tensor {
  const gradients = (g: Tensor) => [map(Elementwise.softmaxSlope, [y, g, sum(mul(y, g))])]
  return giveRule(y, { inputs: [x], gradients })
}

/** The logarithm of the sum of e^x along the last axis, which stays with size 1. */
export function logSumExp(x: Tensor): Tensor {
  const largest = max(x)
  return add(log(sum(map(Elementwise.expOfDifference, [x, largest]))), largest)
}

/** x / sqrt(mean of x squared + epsilon) * gain, along the last axis. */
export function rmsNorm(x: Tensor, gain: Tensor, epsilon: number): Tensor {
  const meanSquare = divideBy(sumOfSquares(x), x.shape.at(-1) ?? 1)
  return mul(mul(x, rsqrt(shift(meanSquare, epsilon))), gain)
}

/** 0, step, 2 step, ... as u32, by doubling. */
export function iota(length: number, step = 1): Tensor {
  let numbers = word(0, [1])
  while (numbers.shape[0]! < length) {
    const next = map(Elementwise.advance(numbers.shape[0]! * step), [numbers], { dtype: 'u32' })
    numbers = concat([numbers, next], 0)
  }
  return numbers.shape[0] === length ? numbers : slice(numbers, [0], [length])
}

/** 1 where two u32 are equal, else 0, as f32. */
export const equalWords = (a: Tensor, b: Tensor): Tensor => map(Elementwise.equalWords, [a, b])
/** 1 where u32 a < b, else 0, as f32. */
export const lessWords = (a: Tensor, b: Tensor): Tensor => map(Elementwise.lessWords, [a, b])
/** Sum of u32, modulo 2^32. */
export const addWords = (a: Tensor, b: Tensor): Tensor =>
  map(Elementwise.addWords, [a, b], { dtype: 'u32' })

/** For u32 indices [...] the rows [..., classes] that are 1 at the index and 0 elsewhere. */
export function oneHot(indices: Tensor, classes: number): Tensor {
  return equalWords(reshape(indices, [...indices.shape, 1]), iota(classes))
}

/** Of each row of x [..., classes] the element that its u32 label [...] names: a gather from x laid flat. */
export function pick(x: Tensor, labels: Tensor): Tensor {
  const classes = x.shape.at(-1) ?? 1
  const rows = count(x.shape) / classes
  if (count(labels.shape) !== rows)
    throw new ShapeError('pick', 'needs a label for each row.', [x, labels])
  const places = addWords(iota(rows, classes), reshape(labels, [rows]))
  return reshape(gather(reshape(x, [rows * classes]), places), labels.shape)
}

/** Cross-entropy of each row of logits [..., classes] against its u32 label [...], in nats. */
export function crossEntropy(logits: Tensor, labels: Tensor): Tensor {
  const column = [...labels.shape, 1]
  const logOfSum = logSumExp(logits)
  const loss = sub(reshape(logOfSum, labels.shape), pick(logits, labels))
  const places = iota(logits.shape.at(-1) ?? 1)
  const gradients = (g: Tensor) => {
    const read = [logits, logOfSum, reshape(labels, column), places]
    return [mul(map(Elementwise.crossEntropySlope, read), reshape(g, column))]
  }
  return giveRule(loss, { inputs: [logits], gradients })
}

/** Random numbers from 0 to 1 - 2^-24, the same for the same seed (u32[2]), step (u32[]) and stream. */
export function uniform({ seed, step, stream, shape }: Draws): Tensor {
  return map(Elementwise.uniform, [philox(seed, step, stream, shape)])
}

export type Draws = {
  readonly seed: Tensor
  readonly step: Tensor
  readonly stream: number
  readonly shape: Shape
}

/** How a matrix product is computed, a part of the graph's identity: see SPEC.md. */
export type Profile = 'f32' | 'i8' | 'i8x3'

/** Matrix product in a profile. */
export function product(
  a: Tensor,
  b: Tensor,
  { profile = 'f32', ...transposes }: product.Options = {},
): Tensor {
  return profile === 'f32'
    ? contract(a, b, transposes)
    : quantisedProduct(a, b, { profile, ...transposes })
}

export declare namespace product {
  type Options = contract.Options & { profile?: Profile | undefined }
}

/** x [..., in] times weights [out, in] (as PyTorch keeps them): [..., out]. */
export function linear(x: Tensor, weights: Tensor, profile: Profile = 'f32'): Tensor {
  const rows = count(x.shape.slice(0, -1))
  const flat = reshape(x, [rows, x.shape.at(-1) ?? 1])
  const y = product(flat, weights, { profile, transposeB: true })
  return reshape(y, [...x.shape.slice(0, -1), weights.shape[0]!])
}
