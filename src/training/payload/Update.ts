import * as Dense from './DenseUpdate.ts'
import * as Sparse from './SparseUpdate.ts'

/** What a worker sends after a round. All its entries are whole multiples of 2^-40 below 2 in magnitude. */
export type Update = Sparse.SparseUpdate | Dense.DenseUpdate

/** How the updates of a round are written, which the order fixes. */
export type Form = { readonly length: number; readonly kept: number } | Dense.DenseForm

/** The update of a form that comes nearest to a vector. NaN and infinities count as zero. */
export function from(vector: Float32Array, form: Form): Update {
  return 'kept' in form ? Sparse.choose(vector, form.kept) : Dense.quantise(vector, form)
}

/** Bytes for the wire; there is one encoding of an update. */
export function encode(update: Update): Uint8Array {
  return 'kept' in update ? Sparse.encode(update) : Dense.encode(update)
}

/**
 * Reads what `encode` wrote.
 *
 * @throws {PayloadError} when it is anything else.
 */
export function decode(bytes: Uint8Array, form: Form): Update {
  return 'kept' in form ? Sparse.decode(bytes, form) : Dense.decode(bytes, form)
}

/** The most bytes that an update of a form can take. */
export function greatestBytes(form: Form): number {
  return 'kept' in form ? Sparse.greatestBytes(form.length, form.kept) : Dense.bytesOf(form)
}

/** Calls back for each entry that is sent, in order, with what it stands for. */
export function forEach(update: Update, visit: (index: number, value: number) => void): void {
  if ('kept' in update) Sparse.forEach(update, visit)
  else Dense.forEach(update, visit)
}

/** The square of its Euclidean norm. */
export function squaredNorm(update: Update): number {
  if ('kept' in update) return Sparse.squaredNorm(update)
  let sum = 0
  Dense.forEach(update, (_, value) => (sum += value * value))
  return sum
}

/** An update divided by 2^shift; a block that falls below the least scale stays there. */
export function scaled<update extends Update>(update: update, shift: number): update {
  const { least } = Sparse.limits.exponent
  return { ...update, exponents: update.exponents.map((each) => Math.max(least, each - shift)) }
}

/** What an update stands for, entry by entry. */
export function toVector(update: Update): Float64Array {
  const vector = new Float64Array(update.length)
  forEach(update, (index, value) => (vector[index] = value))
  return vector
}

/** Orders updates by what they are, so that what is made of several does not depend on who sent which. */
export function compare(a: Update, b: Update): number {
  const [left, right] = [encode(a), encode(b)]
  const at = left.findIndex((byte, index) => byte !== right[index])
  return at < 0 ? left.length - right.length : left[at]! - (right[at] ?? -1)
}
