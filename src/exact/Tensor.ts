import { BaseError } from '../runtime/Errors.ts'
import { check as checkProgram, type Program } from './Program.ts'

/**
 * A value of a graph while it is being built: what computes it, from what, and its shape. Tensors are
 * row-major; `i8` holds quantised numbers, `u32` ids and counters.
 */
export type Tensor = {
  readonly dtype: DType
  readonly shape: Shape
  readonly op: Op
  readonly inputs: readonly Tensor[]
}

export type DType = 'f32' | 'u32' | 'i8'
export type Shape = readonly number[]

/** What a graph reads: state survives from step to step, a batch is new each step. */
export type Slot = {
  readonly kind: 'state' | 'batch'
  readonly name: string
}

/** The operations of EXACT.md section 2. Each output element is defined by itself, so that it can be judged alone. */
export type Op =
  | Slot
  /**
   * `out[..., m, n] = fold over k ascending of fma(a[m, k], b[k, n], acc)` from +0. Leading
   * dimensions are equal, or missing on one side, which is then used for all.
   */
  | { readonly kind: 'contract'; readonly transposeA: boolean; readonly transposeB: boolean }
  /** The exact integer product of i8 inputs a (Q 127) and b (Q 63), converted to f32, times scaleA[m], times scaleB[n]. */
  | { readonly kind: 'contract-i8'; readonly transposeA: boolean; readonly transposeB: boolean }
  /** One element from up to four, broadcast as in NumPy. An i8 result is the low byte of the register. */
  | { readonly kind: 'map'; readonly program: Program }
  /** Along one axis, which stays with size 1: 16 lanes, then a tree. `sumsq` squares by fma. */
  | { readonly kind: 'reduce'; readonly of: 'sum' | 'sumsq' | 'max'; readonly axis: number }
  | { readonly kind: 'reshape' }
  | { readonly kind: 'transpose'; readonly permutation: readonly number[] }
  | { readonly kind: 'slice'; readonly starts: readonly number[] }
  | { readonly kind: 'concat'; readonly axis: number }
  | { readonly kind: 'broadcast' }
  /** Rows of a table by index: `out[i..., d...] = table[indices[i...], d...]`; past the end gives zeros. */
  | { readonly kind: 'gather' }
  /** `base` with `update` in its place from row `index` on (a u32 scalar) along the axis; what does not fit is left out. */
  | { readonly kind: 'place'; readonly axis: number }
  /** The gradient of gather: contributions to a row added in ascending position from +0. */
  | { readonly kind: 'scatter-add' }
  /** Philox4x32-10 words: key (seed), counter (element / 4, step, stream, 0); inputs seed u32[2] and step u32[]. */
  | { readonly kind: 'philox'; readonly stream: number }

/** The most elements of a tensor, dimensions of a shape, and terms of an integer product. */
export const limits = { elements: 2 ** 31 - 1, rank: 6, integerTerms: 131_071 } as const

/** A value that a graph reads. */
export function input(kind: Slot['kind'], name: string, dtype: DType, shape: Shape): Tensor {
  if (name.length === 0 || name.length > 256) throw new ShapeError(kind, 'needs a name.', [])
  return create({ kind, name }, dtype, shape, [])
}

/** Matrix product, profile `f32`: [..., m, k] times [..., k, n]; a transposed operand lies the other way round. */
export function contract(a: Tensor, b: Tensor, options: contract.Options = {}): Tensor {
  const { transposeA = false, transposeB = false } = options
  expect('contract', [a, b], ['f32', 'f32'])
  const op = { kind: 'contract', transposeA, transposeB } as const
  return create(op, 'f32', productShape('contract', a, b, options).shape, [a, b])
}

export declare namespace contract {
  type Options = { transposeA?: boolean | undefined; transposeB?: boolean | undefined }
}

/** Integer matrix product of quantised operands with a scale per row of a and per column of b. */
export function contractI8(
  { a, b, scaleA, scaleB }: { a: Tensor; b: Tensor; scaleA: Tensor; scaleB: Tensor },
  options: contract.Options = {},
): Tensor {
  const { transposeA = false, transposeB = false } = options
  const inputs = [a, b, scaleA, scaleB]
  expect('contract-i8', inputs, ['i8', 'i8', 'f32', 'f32'])
  const { shape, k } = productShape('contract-i8', a, b, options)
  if (k > limits.integerTerms)
    throw new ShapeError('contract-i8', `sums more than ${limits.integerTerms} terms.`, inputs)
  const [m, n] = [shape.at(-2)!, shape.at(-1)!]
  const leadA = a.shape.slice(0, -2)
  const leadB = b.shape.slice(0, -2)
  if (!same(scaleA.shape, [...leadA, m]) || !same(scaleB.shape, [...leadB, n]))
    throw new ShapeError('contract-i8', 'needs a scale for each row of a and column of b.', inputs)
  return create({ kind: 'contract-i8', transposeA, transposeB }, 'f32', shape, inputs)
}

/** Applies a program to each element of inputs that broadcast to `shape` (by default: to each other). */
export function map(
  program: Program,
  inputs: readonly Tensor[],
  options: { dtype?: DType | undefined; shape?: Shape | undefined } = {},
): Tensor {
  checkProgram(program)
  if (program.inputs !== inputs.length)
    throw new ShapeError('map', `has a program of ${program.inputs} inputs.`, inputs)
  const shapes = inputs.map((tensor) => tensor.shape)
  const shape = broadcastShapes(options.shape ? [...shapes, options.shape] : shapes)
  if (!shape || (options.shape && !same(shape, options.shape)))
    throw new ShapeError('map', 'needs inputs that broadcast to one shape.', inputs)
  if (inputs.some((tensor) => tensor.dtype === 'i8'))
    throw new ShapeError('map', 'does not read i8; integer products do.', inputs)
  return create({ kind: 'map', program }, options.dtype ?? 'f32', shape, inputs)
}

/** Reduces along an axis (negative counts from the end), which stays with size 1. */
export function reduce(of: 'sum' | 'sumsq' | 'max', x: Tensor, axis: number): Tensor {
  expect('reduce', [x], ['f32'])
  const at = axis < 0 ? axis + x.shape.length : axis
  const size = x.shape[at]
  if (size === undefined || size === 0) throw new ShapeError('reduce', `has no axis ${axis}.`, [x])
  return create({ kind: 'reduce', of, axis: at }, 'f32', x.shape.with(at, 1), [x])
}

/** The same elements in another shape. */
export function reshape(x: Tensor, shape: Shape): Tensor {
  if (count(shape) !== count(x.shape))
    throw new ShapeError('reshape', `cannot make [${shape.join(', ')}].`, [x])
  return same(shape, x.shape) ? x : create({ kind: 'reshape' }, x.dtype, shape, [x])
}

/** Axes in another order: axis i of the result is axis `permutation[i]` of x. */
export function transpose(x: Tensor, permutation: readonly number[]): Tensor {
  const sorted = permutation.toSorted((a, b) => a - b)
  if (!same(sorted, [...x.shape.keys()]))
    throw new ShapeError('transpose', `cannot use the order [${permutation.join(', ')}].`, [x])
  const shape = permutation.map((axis) => x.shape[axis]!)
  return create({ kind: 'transpose', permutation }, x.dtype, shape, [x])
}

/** The block of `sizes` that begins at `starts`. */
export function slice(x: Tensor, starts: readonly number[], sizes: Shape): Tensor {
  const fits = x.shape.every((size, axis) => {
    const [start = -1, length = 0] = [starts[axis], sizes[axis]]
    return start >= 0 && length > 0 && start + length <= size
  })
  if (!fits || starts.length !== x.shape.length || sizes.length !== x.shape.length)
    throw new ShapeError('slice', `cannot cut [${sizes.join(', ')}] at [${starts.join(', ')}].`, [
      x,
    ])
  return create({ kind: 'slice', starts }, x.dtype, sizes, [x])
}

/** Tensors one after the other along an axis. */
export function concat(parts: readonly Tensor[], axis: number): Tensor {
  const [first] = parts
  const rest = (tensor: Tensor) => tensor.shape.with(axis, 0)
  const fits = (tensor: Tensor) =>
    tensor.dtype === first!.dtype && axis in tensor.shape && same(rest(tensor), rest(first!))
  if (!first || parts.length > 64 || !parts.every(fits))
    throw new ShapeError('concat', `needs tensors alike but along axis ${axis}.`, parts)
  const length = parts.reduce((sum, tensor) => sum + tensor.shape[axis]!, 0)
  return create({ kind: 'concat', axis }, first.dtype, first.shape.with(axis, length), parts)
}

/** Repeats along axes of size 1, and along new leading axes. */
export function broadcast(x: Tensor, shape: Shape): Tensor {
  const result = broadcastShapes([x.shape, shape])
  if (!result || !same(result, shape))
    throw new ShapeError('broadcast', `cannot reach [${shape.join(', ')}].`, [x])
  return same(shape, x.shape) ? x : create({ kind: 'broadcast' }, x.dtype, shape, [x])
}

/** Rows of a table by u32 indices. */
export function gather(table: Tensor, indices: Tensor): Tensor {
  if (indices.dtype !== 'u32' || table.shape.length === 0)
    throw new ShapeError('gather', 'needs a table and u32 indices.', [table, indices])
  const shape = [...indices.shape, ...table.shape.slice(1)]
  return create({ kind: 'gather' }, table.dtype, shape, [table, indices])
}

/** `base` with `update` from row `index` on, along an axis. */
export function place(base: Tensor, update: Tensor, index: Tensor, axis: number): Tensor {
  const inputs = [base, update, index]
  const alike =
    base.dtype === update.dtype &&
    axis in base.shape &&
    base.shape.length === update.shape.length &&
    same(base.shape.with(axis, 0), update.shape.with(axis, 0))
  if (!alike || index.dtype !== 'u32' || index.shape.length > 0)
    throw new ShapeError('place', `needs shapes alike but along axis ${axis}, u32 index.`, inputs)
  return create({ kind: 'place', axis }, base.dtype, base.shape, inputs)
}

/** Adds rows of updates [i..., d...] to `rows` rows of zeros, at u32 indices [i...]; past the end is left out. */
export function scatterAdd(updates: Tensor, indices: Tensor, rows: number): Tensor {
  const inputs = [updates, indices]
  expect('scatter-add', inputs, ['f32', 'u32'])
  const lead = indices.shape.length
  if (!same(updates.shape.slice(0, lead), indices.shape) || !(rows > 0))
    throw new ShapeError('scatter-add', 'needs an update for each index.', inputs)
  return create({ kind: 'scatter-add' }, 'f32', [rows, ...updates.shape.slice(lead)], inputs)
}

/** Random words of a stream: the same for the same seed and step. */
export function philox(seed: Tensor, step: Tensor, stream: number, shape: Shape): Tensor {
  const inputs = [seed, step]
  expect('philox', inputs, ['u32', 'u32'])
  if (!same(seed.shape, [2]) || !same(step.shape, []))
    throw new ShapeError('philox', 'needs a seed of two words and a scalar step.', inputs)
  return create({ kind: 'philox', stream: stream >>> 0 }, 'u32', shape, inputs)
}

/** How many elements a shape has. */
export function count(shape: Shape): number {
  return shape.reduce((product, size) => product * size, 1)
}

/** How many bytes a value takes. */
export function byteLength({ dtype, shape }: { dtype: DType; shape: Shape }): number {
  return count(shape) * (dtype === 'i8' ? 1 : 4)
}

/** Whether two lists of numbers are equal. */
export function same(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis])
}

/** The shape all broadcast to (aligned at the last axis), or undefined. */
export function broadcastShapes(shapes: readonly Shape[]): Shape | undefined {
  const rank = Math.max(0, ...shapes.map((shape) => shape.length))
  const result: number[] = []
  for (let axis = 1; axis <= rank; axis++) {
    const sizes = shapes.map((shape) => shape.at(-axis) ?? 1).filter((size) => size !== 1)
    if (sizes.some((size) => size !== sizes[0])) return undefined
    result.unshift(sizes[0] ?? 1)
  }
  return result
}

function create(op: Op, dtype: DType, shape: Shape, inputs: readonly Tensor[]): Tensor {
  const sound = shape.every((size) => Number.isInteger(size) && size > 0)
  if (!sound || shape.length > limits.rank || count(shape) > limits.elements)
    throw new ShapeError(op.kind, `cannot make [${shape.join(', ')}].`, inputs)
  return { op, dtype, shape, inputs }
}

function productShape(name: string, a: Tensor, b: Tensor, options: contract.Options) {
  const { transposeA = false, transposeB = false } = options
  const [m, k] = transposeA ? [a.shape.at(-1), a.shape.at(-2)] : [a.shape.at(-2), a.shape.at(-1)]
  const [l, n] = transposeB ? [b.shape.at(-1), b.shape.at(-2)] : [b.shape.at(-2), b.shape.at(-1)]
  const leadA = a.shape.slice(0, -2)
  const leadB = b.shape.slice(0, -2)
  const leads = leadA.length === 0 || leadB.length === 0 || same(leadA, leadB)
  if (m === undefined || n === undefined || k === undefined || k !== l || !leads)
    throw new ShapeError(name, 'needs [..., m, k] and [..., k, n] with equal k.', [a, b])
  return { shape: [...(leadA.length > 0 ? leadA : leadB), m, n], k }
}

function expect(name: string, inputs: readonly Tensor[], dtypes: readonly DType[]): void {
  if (inputs.some((tensor, index) => tensor.dtype !== dtypes[index]))
    throw new ShapeError(name, `reads ${dtypes.join(', ')}.`, inputs)
}

/** Thrown when an op is given what does not fit it. */
export class ShapeError extends BaseError {
  override readonly code = 'Exact.ShapeError'

  constructor(op: string, problem: string, inputs: readonly Tensor[]) {
    super(`${op} ${problem}`, {
      metaMessages: inputs.map(
        ({ dtype, shape }, index) => `Input ${index}: ${dtype} [${shape.join(', ')}]`,
      ),
    })
  }
}
