import { fma32 } from '../../exact/fma32.ts'
import { philoxWord } from '../../exact/philox.ts'
import { bitsOf } from '../../exact/Program.ts'
import { runProgram } from '../../exact/reference/runProgram.ts'
import { atOutput } from '../../exact/reference/Value.ts'
import { BaseError } from '../../runtime/Errors.ts'
import { chainOf, type Judged, operandBytes, type Place, readsOf } from './readsOf.ts'

/**
 * Computes one segment of the chain of one element: the accumulator after it, or, for the segment that
 * finishes, the 4 bytes that are stored (those of an i8 zero-extended). The arithmetic is that of the
 * reference back end; `contracts/src/ExactJudge.sol` gives the same.
 *
 * @param accIn the accumulator before the segment.
 * @param operands what `readsOf` names, in order.
 * @throws {OperandError} when the operands or the accumulator are too long or too short.
 *
 * @example
 * ```ts
 * const after = evaluate(leaf, { element: 5, segment: 0 }, chainOf(leaf).initial, operands)
 * ```
 */
export function evaluate(
  leaf: Judged,
  place: Place,
  accIn: Uint8Array,
  operands: Uint8Array,
): Uint8Array {
  const { segments, width } = chainOf(leaf)
  const expected = operandBytes(readsOf(leaf, place, operands))
  if (operands.byteLength !== expected)
    throw new OperandError(`The segment reads ${expected} bytes, not ${operands.byteLength}.`)
  if (accIn.byteLength !== width)
    throw new OperandError(`An accumulator takes ${width} bytes, not ${accIn.byteLength}.`)
  const isFinish = place.segment >= segments
  if (leaf.kind === 'batch') return fromWord(operands[0]!)
  const at: Segment = { ...place, isFinish, accIn, operands }
  const { op } = leaf
  switch (op.kind) {
    case 'contract':
      return fromWord(isFinish ? atOutput(wordsOf(accIn)[0]!) : multiplyAdd(at))
    case 'contract-i8':
      return fromWord(isFinish ? scale(at) : integerMultiplyAdd(at))
    case 'reduce':
      return isFinish ? fromWord(atOutput(join(op.of, accIn))) : fold(op.of, at)
    case 'scatter-add': {
      if (isFinish) return fromWord(atOutput(wordsOf(accIn)[0]!))
      return fromWord(addChosen(at, rowOf(leaf, place.element)))
    }
    case 'map': {
      const result = runProgram(op.program, [...wordsOf(operands)])
      if (leaf.dtype === 'f32') return fromWord(atOutput(result))
      return fromWord(leaf.dtype === 'i8' ? result & 0xff : result)
    }
    case 'philox': {
      const [first = 0, second = 0, step = 0] = wordsOf(operands)
      const draw = { seed: [first, second], stream: op.stream, step } as const
      return fromWord(philoxWord(draw, place.element))
    }
    case 'gather':
    case 'place':
      return stored(operands.subarray(4))
    case 'reshape':
    case 'transpose':
    case 'slice':
    case 'concat':
    case 'broadcast':
      return stored(operands)
  }
}

type Segment = Place & {
  readonly isFinish: boolean
  readonly accIn: Uint8Array
  readonly operands: Uint8Array
}

function multiplyAdd({ accIn, operands }: Segment): number {
  const values = floatsOf(operands)
  const terms = values.length / 2
  let acc = floatsOf(accIn)[0]!
  for (let t = 0; t < terms; t++) acc = fma32(values[t]!, values[terms + t]!, acc)
  return canonical(acc)
}

function integerMultiplyAdd({ accIn, operands }: Segment): number {
  const values = new Int8Array(operands)
  const terms = values.length / 2
  let acc = wordsOf(accIn)[0]!
  for (let t = 0; t < terms; t++) acc = (acc + values[t]! * values[terms + t]!) | 0
  return acc >>> 0
}

function scale({ accIn, operands }: Segment): number {
  const [left, right] = floatsOf(operands)
  const sum = Math.fround(wordsOf(accIn)[0]! | 0)
  return atOutput(canonical(Math.fround(sum * left!) * right!))
}

type Reduction = 'sum' | 'sumsq' | 'max'

/** Adds each element to the lane of its number. A segment has a multiple of sixteen elements, or is the last. */
function fold(of: Reduction, { accIn, operands }: Segment): Uint8Array {
  const lanes = floatsOf(accIn)
  floatsOf(operands).forEach((x, t) => {
    const lane = lanes[t % 16]!
    if (of === 'sum') lanes[t % 16] = lane + x
    else lanes[t % 16] = of === 'sumsq' ? fma32(x, x, lane) : Math.max(lane, x)
  })
  const patterns = Uint32Array.from(lanes, canonical)
  return new Uint8Array(patterns.buffer)
}

function join(of: Reduction, accIn: Uint8Array): number {
  const lanes = floatsOf(accIn)
  for (const half of [8, 4, 2, 1])
    for (let i = 0; i < half; i++) {
      const [a, b] = [lanes[i]!, lanes[i + half]!]
      lanes[i] = of === 'max' ? Math.max(a, b) : a + b
    }
  return canonical(lanes[0]!)
}

function addChosen({ accIn, operands }: Segment, row: number): number {
  const [indices, updates] = [wordsOf(operands), floatsOf(operands)]
  const terms = indices.length / 2
  let acc = floatsOf(accIn)[0]!
  for (let t = 0; t < terms; t++)
    if (indices[t] === row) acc = Math.fround(acc + updates[terms + t]!)
  return canonical(acc)
}

function rowOf({ shape }: Judged, element: number): number {
  return Math.floor(element / shape.slice(1).reduce((product, size) => product * size, 1))
}

/** An element as the 4 bytes of the chain's end; nothing is zero. */
function stored(element: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4)
  bytes.set(element)
  return bytes
}

function fromWord(word: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(word).buffer)
}

function wordsOf(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(new Uint8Array(bytes).buffer)
}

function floatsOf(bytes: Uint8Array): Float32Array {
  return new Float32Array(new Uint8Array(bytes).buffer)
}

/** Bits of a number that is an f32, with one NaN. */
function canonical(value: number): number {
  return Number.isNaN(value) ? 0x7fc0_0000 : bitsOf(value)
}

/** Thrown when a segment is given other than what it reads. */
export class OperandError extends BaseError {
  override readonly code = 'Judge.OperandError'

  constructor(shortMessage: string) {
    super(shortMessage)
  }
}
