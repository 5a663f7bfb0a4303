import type { Op } from '../Tensor.ts'
import { broadcastIndex, coordinates, strides, type Value } from './Value.ts'

/** Where an element of the result comes from: which input and which of its elements; nowhere is zero. */
export type Source = { readonly from: Value; readonly index: number } | undefined

/** Copies bits: each element of the result from its source. */
export function move(source: (at: readonly number[], index: number) => Source) {
  return (out: Value) => {
    for (let index = 0; index < out.patterns.length; index++) {
      const found = source(coordinates(index, out.shape), index)
      out.patterns[index] = found ? found.from.patterns[found.index]! : 0
    }
  }
}

/** The index map of each op that moves. */
export function sourceOf(
  op: Extract<Op, { kind: Moves }>,
  inputs: readonly Value[],
): (at: readonly number[], index: number) => Source {
  const [x, y, z] = inputs as [Value, Value, Value]
  const offset = (value: Value, at: readonly number[]) => {
    const step = strides(value.shape)
    return at.reduce((sum, place, axis) => sum + place * step[axis]!, 0)
  }
  const element = (from: Value, at: readonly number[]) => ({ from, index: offset(from, at) })
  switch (op.kind) {
    case 'reshape':
      return (_, index) => ({ from: x, index })
    case 'transpose':
      return (at) =>
        element(
          x,
          inverse(op.permutation).map((axis) => at[axis]!),
        )
    case 'slice':
      return (at) =>
        element(
          x,
          at.map((place, axis) => place + op.starts[axis]!),
        )
    case 'broadcast':
      return (at) => ({ from: x, index: broadcastIndex(at, x.shape) })
    case 'concat':
      return (at) => {
        let rest = at[op.axis]!
        const part = inputs.find((input) => {
          if (rest < input.shape[op.axis]!) return true
          rest -= input.shape[op.axis]!
          return false
        })!
        return element(part, at.with(op.axis, rest))
      }
    case 'gather':
      return (at) => {
        const lead = y.shape.length
        const row = y.patterns[offset(y, at.slice(0, lead))]!
        return row < x.shape[0]! ? element(x, [row, ...at.slice(lead)]) : undefined
      }
    case 'place':
      return (at) => {
        const row = at[op.axis]! - z.patterns[0]!
        const inside = row >= 0 && row < y.shape[op.axis]!
        return inside ? element(y, at.with(op.axis, row)) : element(x, at)
      }
  }
}

export type Moves = 'reshape' | 'transpose' | 'slice' | 'broadcast' | 'concat' | 'gather' | 'place'

function inverse(permutation: readonly number[]): readonly number[] {
  return permutation.map((_, axis) => permutation.indexOf(axis))
}
