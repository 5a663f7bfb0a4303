import type { Input, Leaf } from '../../exact/readLeaf.ts'
import { broadcastIndex, coordinates, strides as stridesOf } from '../../exact/reference/Value.ts'
import { byteLength, count, type DType, type Shape } from '../../exact/Tensor.ts'

/** What is judged: the leaf of an op, or of the batch slot. */
export type Judged = Extract<Leaf, { readonly kind: 'op' | 'batch' }>

/** One element of a value, and one segment of the chain that makes it. */
export type Place = { readonly element: number; readonly segment: number }

/** An element that a segment reads: of the op's input with this place among them, or of the data. */
export type Read = {
  readonly input: number | 'data'
  /** Number of the element within the input; of data, within the batch slot. */
  readonly element: number
  /** How many bytes it takes among the operands. */
  readonly bytes: 1 | 4
}

/** How long a chain is, and what its accumulators are like. */
export type Chain = {
  /** Segments that accumulate, before the one that finishes. */
  readonly segments: number
  /** Bytes of an accumulator: sixteen lanes, or one number. */
  readonly width: 4 | 64
  readonly initial: Uint8Array
}

/** Terms of a segment that accumulates. */
export const segmentTerms = 64

/** The chain of every element of a value (the table in `docs/disputes.md`). */
export function chainOf(leaf: Judged): Chain {
  const terms = termsOf(leaf)
  const segments = Math.ceil(terms / segmentTerms)
  if (leaf.kind === 'batch' || leaf.op.kind !== 'reduce')
    return { segments, width: 4, initial: new Uint8Array(4) }
  const initial = new Uint8Array(64)
  if (leaf.op.of === 'max') new Uint32Array(initial.buffer).fill(0xff80_0000)
  return { segments, width: 64, initial }
}

/** Bytes of a value and of each of its elements. */
export function sizeOf({ dtype, shape }: { dtype: DType; shape: Shape }): Size {
  return { byteLength: byteLength({ dtype, shape }), elementBytes: bytesOf(dtype) }
}

export type Size = { readonly byteLength: number; readonly elementBytes: 1 | 4 }

/**
 * What a segment reads, in order. Which elements gather and place read depends on an operand before them, so
 * their list goes on as far as the operands that are given allow.
 *
 * @param operands what was read so far, each element as it lies in memory.
 */
export function readsOf(
  leaf: Judged,
  { element, segment }: Place,
  operands: Uint8Array,
): readonly Read[] {
  if (leaf.kind === 'batch') return [{ input: 'data', element, bytes: 1 }]
  const { op, shape, inputs } = leaf
  const read = (input: number, index: number): Read => ({
    input,
    element: index,
    bytes: bytesOf(inputs[input]!.dtype),
  })
  const from = segment * segmentTerms
  const terms = Array.from(
    { length: Math.max(0, Math.min(segmentTerms, termsOf(leaf) - from)) },
    (_, t) => from + t,
  )
  switch (op.kind) {
    case 'contract':
    case 'contract-i8': {
      const { a, b, scaleA, scaleB } = productOf(op, inputs, { shape, element })
      if (terms.length > 0)
        return [...terms.map((k) => read(0, a(k))), ...terms.map((k) => read(1, b(k)))]
      return op.kind === 'contract' ? [] : [read(2, scaleA), read(3, scaleB)]
    }
    case 'reduce': {
      const step = stridesOf(inputs[0]!.shape)
      const first = dot(coordinates(element, shape), step)
      return terms.map((k) => read(0, first + k * step[op.axis]!))
    }
    case 'scatter-add': {
      const width = count(inputs[0]!.shape) / count(inputs[1]!.shape)
      const column = element % width
      return [...terms.map((at) => read(1, at)), ...terms.map((at) => read(0, at * width + column))]
    }
    case 'map': {
      const at = coordinates(element, shape)
      return inputs.map((input, index) => read(index, broadcastIndex(at, input.shape)))
    }
    case 'philox':
      return [read(0, 0), read(0, 1), read(1, 0)]
    case 'gather': {
      const width = count(inputs[0]!.shape.slice(1))
      const index = read(1, Math.floor(element / width))
      const row = word(operands)
      if (row === undefined || row >= inputs[0]!.shape[0]!) return [index]
      return [index, read(0, row * width + (element % width))]
    }
    case 'place': {
      const first = word(operands)
      if (first === undefined) return [read(2, 0)]
      const [, update] = inputs as readonly [Input, Input]
      const at = coordinates(element, shape)
      const row = at[op.axis]! - first
      if (row < 0 || row >= update.shape[op.axis]!) return [read(2, 0), read(0, element)]
      return [read(2, 0), read(1, dot(at.with(op.axis, row), stridesOf(update.shape)))]
    }
    case 'reshape':
      return [read(0, element)]
    case 'broadcast':
      return [read(0, broadcastIndex(coordinates(element, shape), inputs[0]!.shape))]
    case 'transpose': {
      const at = coordinates(element, shape)
      const step = stridesOf(inputs[0]!.shape)
      return [
        read(
          0,
          dot(
            at,
            op.permutation.map((axis) => step[axis]!),
          ),
        ),
      ]
    }
    case 'slice': {
      const at = coordinates(element, shape).map((place, axis) => place + op.starts[axis]!)
      return [read(0, dot(at, stridesOf(inputs[0]!.shape)))]
    }
    case 'concat': {
      const at = coordinates(element, shape)
      let rest = at[op.axis]!
      const part = inputs.findIndex((input) => {
        if (rest < input.shape[op.axis]!) return true
        rest -= input.shape[op.axis]!
        return false
      })
      return [read(part, dot(at.with(op.axis, rest), stridesOf(inputs[part]!.shape)))]
    }
  }
}

/** How many bytes operands must have, as far as they themselves say. */
export function operandBytes(reads: readonly Read[]): number {
  return reads.reduce((sum, { bytes }) => sum + bytes, 0)
}

/** How many terms a chain adds up. */
function termsOf(leaf: Judged): number {
  if (leaf.kind === 'batch') return 0
  const { op, inputs } = leaf
  const [first, second] = inputs
  switch (op.kind) {
    case 'contract':
    case 'contract-i8':
      return first!.shape.at(op.transposeA ? -2 : -1)!
    case 'reduce':
      return first!.shape[op.axis]!
    case 'scatter-add':
      return count(second!.shape)
    case 'map':
    case 'reshape':
    case 'transpose':
    case 'slice':
    case 'concat':
    case 'broadcast':
    case 'gather':
    case 'place':
    case 'philox':
      return 0
  }
}

/** Where the terms of an element of a product lie, and its scales. */
function productOf(
  { transposeA, transposeB }: { transposeA: boolean; transposeB: boolean },
  inputs: readonly Input[],
  { shape, element }: { shape: Shape; element: number },
) {
  const [rows, columns] = [shape.at(-2)!, shape.at(-1)!]
  const batch = Math.floor(element / (rows * columns))
  const [m, n] = [Math.floor(element / columns) % rows, element % columns]
  const operand = ({ shape: of }: Input, isTurned: boolean) => {
    const [height, width] = [of.at(-2)!, of.at(-1)!]
    const first = of.length > 2 ? batch * height * width : 0
    return (row: number, column: number) =>
      first + (isTurned ? column * width + row : row * width + column)
  }
  const a = operand(inputs[0]!, transposeA)
  const b = operand(inputs[1]!, transposeB)
  const scale = (input: Input | undefined, size: number, at: number) =>
    (input && input.shape.length > 1 ? batch * size : 0) + at
  return {
    a: (k: number) => a(m, k),
    b: (k: number) => b(k, n),
    scaleA: scale(inputs[2], rows, m),
    scaleB: scale(inputs[3], columns, n),
  }
}

function dot(at: readonly number[], step: readonly number[]): number {
  return at.reduce((sum, place, axis) => sum + place * step[axis]!, 0)
}

function bytesOf(dtype: DType): 1 | 4 {
  return dtype === 'i8' ? 1 : 4
}

function word(operands: Uint8Array): number | undefined {
  if (operands.byteLength < 4) return undefined
  return new DataView(operands.buffer, operands.byteOffset).getUint32(0, true)
}
