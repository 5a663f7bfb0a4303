/** Loops over tensors: as few and as long as the strides of the operands allow. */
import type { Shape } from '../Tensor.ts'

/** One loop, and how far each operand moves in it, in elements. */
export type Loop = { readonly size: number; readonly strides: readonly number[] }

/** How far apart in memory neighbours along each axis lie, row-major. */
export function strides(shape: Shape): readonly number[] {
  const result = shape.map(() => 1)
  for (let axis = shape.length - 2; axis >= 0; axis--)
    result[axis] = result[axis + 1]! * shape[axis + 1]!
  return result
}

/** Strides that read a tensor as if it were broadcast to `shape`: 0 along what is repeated. */
export function broadcastStrides(from: Shape, shape: Shape): readonly number[] {
  const own = strides(from)
  const skipped = shape.length - from.length
  return shape.map((_, axis) => {
    const size = from[axis - skipped] ?? 1
    return size === 1 ? 0 : own[axis - skipped]!
  })
}

/**
 * Loops over `shape`, outermost first, of operands with strides for each axis: axes of size 1 left out,
 * and two made one wherever every operand runs on from the inner to the outer. At least one loop.
 */
export function loopsOver(shape: Shape, operands: readonly (readonly number[])[]): readonly Loop[] {
  const loops: Loop[] = []
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const outer = { size: shape[axis]!, strides: operands.map((operand) => operand[axis]!) }
    if (outer.size === 1) continue
    const inner = loops[0]
    const runsOn = inner?.strides.every((stride, i) => outer.strides[i] === stride * inner.size)
    if (inner && runsOn) loops[0] = { size: outer.size * inner.size, strides: inner.strides }
    else loops.unshift(outer)
  }
  return loops.length > 0 ? loops : [{ size: 1, strides: operands.map(() => 1) }]
}
