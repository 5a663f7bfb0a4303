import { byteLength, type DType, type Shape } from '../Tensor.ts'

/** A tensor in memory: its bytes, seen as what is in them. */
export type Value = {
  readonly dtype: DType
  readonly shape: Shape
  readonly bytes: Uint8Array
  /** The bit pattern of each element; the byte of an i8. */
  readonly patterns: Uint8Array | Uint32Array
  readonly f32: Float32Array
  readonly i8: Int8Array
}

/** A tensor of zeros. */
export function zeros({ dtype, shape }: { dtype: DType; shape: Shape }): Value {
  const bytes = new Uint8Array(byteLength({ dtype, shape }))
  return {
    dtype,
    shape,
    bytes,
    patterns: dtype === 'i8' ? bytes : new Uint32Array(bytes.buffer),
    f32: dtype === 'i8' ? new Float32Array(0) : new Float32Array(bytes.buffer),
    i8: new Int8Array(bytes.buffer),
  }
}

/** How far apart in memory neighbours along each axis lie, row-major. */
export function strides(shape: Shape): readonly number[] {
  const result = shape.map(() => 1)
  for (let axis = shape.length - 2; axis >= 0; axis--)
    result[axis] = result[axis + 1]! * shape[axis + 1]!
  return result
}

/** Where each axis of an element lies, from its number in memory. */
export function coordinates(index: number, shape: Shape): readonly number[] {
  const result = shape.map(() => 0)
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    result[axis] = index % shape[axis]!
    index = Math.floor(index / shape[axis]!)
  }
  return result
}

/** The number of the element of `shape` that broadcasting puts at these coordinates. */
export function broadcastIndex(at: readonly number[], shape: Shape): number {
  const skipped = at.length - shape.length
  const step = strides(shape)
  return shape.reduce(
    (sum, size, axis) => sum + (size === 1 ? 0 : at[skipped + axis]! * step[axis]!),
    0,
  )
}

/** What is stored for a bit pattern that an f32 op gives: NaN is one pattern, subnormals are zero. */
export function atOutput(pattern: number): number {
  const magnitude = pattern & 0x7fff_ffff
  if (magnitude > 0x7f80_0000) return 0x7fc0_0000
  return magnitude < 0x0080_0000 ? (pattern & 0x8000_0000) >>> 0 : pattern
}
