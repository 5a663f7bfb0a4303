import { fma32 } from '../fma32.ts'
import type { Op } from '../Tensor.ts'
import { coordinates, strides, type Value } from './Value.ts'

/** Sixteen lanes along the axis, then a tree of four levels. */
export function reduce({ of, axis }: Extract<Op, { kind: 'reduce' }>, x: Value) {
  const { start, fold, join } = folds[of]
  const step = strides(x.shape)
  return (out: Value) => {
    for (let index = 0; index < out.f32.length; index++) {
      const at = coordinates(index, out.shape)
      const first = at.reduce((sum, place, i) => sum + place * step[i]!, 0)
      const lanes = new Float32Array(16).fill(start)
      for (let k = 0; k < x.shape[axis]!; k++)
        lanes[k % 16] = fold(lanes[k % 16]!, x.f32[first + k * step[axis]!]!)
      for (const half of [8, 4, 2, 1])
        for (let i = 0; i < half; i++) lanes[i] = join(lanes[i]!, lanes[i + half]!)
      out.f32[index] = lanes[0]!
    }
  }
}

type Fold = (sum: number, x: number) => number

const add: Fold = (a, b) => Math.fround(a + b)

const folds: Readonly<
  Record<
    'sum' | 'sumsq' | 'max',
    { readonly start: number; readonly fold: Fold; readonly join: Fold }
  >
> = {
  sum: { start: 0, fold: add, join: add },
  sumsq: { start: 0, fold: (sum, x) => fma32(x, x, sum), join: add },
  max: { start: -Infinity, fold: Math.max, join: Math.max },
}
