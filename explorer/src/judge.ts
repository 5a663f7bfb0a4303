/**
 * The last segment of a dispute, computed in the reader's own browser: the twin of the contract that decided. Loaded
 * only by the page of a dispute.
 */
import { fma32 } from '../../src/exact/fma32.ts'
import { rowBegin } from '../../src/exact/data.ts'
import { readLeaf } from '../../src/exact/readLeaf.ts'
import { coordinates } from '../../src/exact/reference/Value.ts'
import { count, type DType } from '../../src/exact/Tensor.ts'
import type * as Api from '../../src/indexer/Api.ts'
import * as Hex from '../../src/protocol/Hex.ts'
import { evaluate } from '../../src/verification/judge/evaluate.ts'
import { chainOf, type Judged, type Read, readsOf } from '../../src/verification/judge/readsOf.ts'

/** One number as it lies in memory, and what it means. */
export type Word = { readonly bits: number; readonly width: 8 | 32; readonly text: string }

/** What an element is computed by. */
export type Operation = {
  readonly kind: string
  readonly dtype: DType
  readonly shape: readonly number[]
  /** Segments of its chain, the one that finishes among them. */
  readonly segments: number
  readonly elements: number
  readonly element: readonly number[] | undefined
}

/** What the op of the value in dispute is; undefined while it is not known. */
export function operationOf({ op }: Api.DisputeSegment, where: Api.Where): Operation | undefined {
  const leaf = op === null ? undefined : judgedOf(op)
  if (!leaf) return undefined
  const { dtype, shape } = leaf
  return {
    kind: leaf.kind === 'batch' ? 'batch' : leaf.op.kind,
    dtype,
    shape,
    segments: chainOf(leaf).segments + 1,
    elements: count(shape),
    element: where.element === null ? undefined : coordinates(where.element, shape),
  }
}

/** One multiply-add of a segment. */
export type Term = {
  readonly k: number
  readonly a: Word
  readonly b: Word
  readonly after: Word
}

/** An element that a segment reads. */
export type Operand = {
  readonly name: string
  readonly value: number | undefined
  readonly word: Word
}

/** The segment that is left, worked out. */
export type Examined = {
  readonly isFinish: boolean
  readonly before: readonly Word[] | undefined
  readonly claimed: readonly Word[] | undefined
  /** What the operands give. */
  readonly computed: readonly Word[] | undefined
  readonly terms: readonly Term[]
  readonly operands: readonly Operand[]
  /** The operand that was proven wrong, and what stands where it is read. */
  readonly wrong: { readonly operand: Operand; readonly held: Word | undefined } | undefined
}

/** Computes the segment anew from what was shown on the chain; undefined while too little was. */
export function examine(detail: Api.DisputeDetail): Examined | undefined {
  const { segment, dispute } = detail
  const { element, segments } = dispute.where
  const leaf = segment.op === null ? undefined : judgedOf(segment.op)
  if (!leaf || element === null || !segments || segments.to - segments.from !== 1) return undefined
  const place = { element, segment: segments.from }
  const chain = chainOf(leaf)
  const isFinish = place.segment >= chain.segments
  const given = segment.operands === null ? undefined : toBytes(segment.operands)
  const accIn =
    segment.accIn !== null
      ? toBytes(segment.accIn)
      : place.segment === 0
        ? chain.initial
        : undefined
  const computed = accIn && given && attempt(() => evaluate(leaf, place, accIn, given))
  const inside = accumulatorType(leaf)
  const reads = given ? readsOf(leaf, place, given) : []
  const operands = given ? operandsOf(leaf, reads, given) : []
  const { proof } = segment
  const after = isFinish ? leaf.dtype : inside
  const isProduct = leaf.kind === 'op' && leaf.op.kind === 'contract' && !isFinish
  return {
    isFinish,
    before: place.segment === 0 && isFinish ? undefined : accIn && wordsOf(accIn, inside),
    claimed: segment.accOut === null ? undefined : wordsOf(toBytes(segment.accOut), after),
    computed: computed && wordsOf(computed, after),
    terms: isProduct && accIn && given ? termsOf(operands, accIn, place.segment) : [],
    operands,
    wrong: proof?.type === 'read' ? wrongOf(detail, { leaf, reads, operands, proof }) : undefined,
  }
}

type Proof = Extract<NonNullable<Api.DisputeSegment['proof']>, { type: 'read' }>

function wrongOf(
  { claim, dispute }: Api.DisputeDetail,
  at: {
    leaf: Judged
    reads: readonly Read[]
    operands: readonly Operand[]
    proof: Proof
  },
): Examined['wrong'] {
  const { leaf, reads, operands, proof } = at
  const operand = operands[proof.read]
  const read = reads[proof.read]
  if (!operand || !read) return undefined
  const held = toBytes(proof.opening.leaf)
  const { opening } = proof
  if (leaf.kind === 'batch' || opening.source === 'data') {
    if (opening.source !== 'data') return { operand, held: undefined }
    const [row = 0, column = 0] = coordinates(read.element, leaf.shape)
    const { seed, worker } = claim
    const length = leaf.shape[1] ?? 1
    const step = dispute.where.steps.from
    if (opening.byteLength < length) return { operand, held: undefined }
    const begin = rowBegin(opening.byteLength, { seed, step, worker, row, length })
    const byte = held[(begin + column) % 256]
    return { operand, held: byte === undefined ? undefined : wordOf(byte, 'u32', 8) }
  }
  const input = leaf.inputs[read.input as number]
  if (!input) return { operand, held: undefined }
  const from = (read.element * read.bytes) % 256
  return { operand, held: wordsOf(held.subarray(from, from + read.bytes), input.dtype)[0] }
}

function judgedOf(op: Hex.Hex): Judged | undefined {
  const leaf = attempt(() => readLeaf(toBytes(op)))
  return leaf?.kind === 'op' || leaf?.kind === 'batch' ? leaf : undefined
}

/** `Hex.toBytes` without Node. */
function toBytes(hex: Hex.Hex): Uint8Array {
  const bytes = new Uint8Array((hex.length - 2) / 2)
  Hex.write(hex, bytes, 0)
  return bytes
}

/** What the chain accepted, this page need not understand. */
function attempt<result>(work: () => result): result | undefined {
  try {
    return work()
  } catch {
    return undefined
  }
}

function accumulatorType(leaf: Judged): DType {
  return leaf.kind === 'op' && leaf.op.kind === 'contract-i8' ? 'u32' : 'f32'
}

function operandsOf(leaf: Judged, reads: readonly Read[], given: Uint8Array): readonly Operand[] {
  let from = 0
  return reads.flatMap((read): readonly Operand[] => {
    const bytes = given.subarray(from, from + read.bytes)
    from += read.bytes
    if (bytes.byteLength < read.bytes) return []
    if (leaf.kind === 'batch' || read.input === 'data')
      return [{ name: 'the token', value: undefined, word: wordOf(bytes[0]!, 'u32', 8) }]
    const input = leaf.inputs[read.input]!
    const at = coordinates(read.element, input.shape).join(', ')
    const name = `${inputName(leaf, read.input)}[${at}]`
    return [{ name, value: input.index, word: wordsOf(bytes, input.dtype)[0]! }]
  })
}

function inputName(leaf: Judged, input: number): string {
  const names = leaf.kind === 'op' ? inputNames[leaf.op.kind] : undefined
  return names?.[input] ?? `x${input + 1}`
}

const inputNames: Readonly<Record<string, readonly string[]>> = {
  contract: ['a', 'b'],
  'contract-i8': ['a', 'b', 'scaleA', 'scaleB'],
  reduce: ['x'],
  'scatter-add': ['update', 'index'],
  gather: ['table', 'index'],
  place: ['base', 'update', 'at'],
  philox: ['seed', 'step'],
}

function termsOf(operands: readonly Operand[], accIn: Uint8Array, segment: number): Term[] {
  const half = operands.length / 2
  let acc = numberOf(wordsOf(accIn, 'f32')[0]!)
  return Array.from({ length: half }, (_, t) => {
    const [a, b] = [operands[t]!.word, operands[half + t]!.word]
    acc = fma32(numberOf(a), numberOf(b), acc)
    return { k: segment * 64 + t, a, b, after: wordOf(bitsOf(acc), 'f32', 32) }
  })
}

const scratch = new DataView(new ArrayBuffer(4))

function numberOf({ bits }: Word): number {
  scratch.setUint32(0, bits)
  return scratch.getFloat32(0)
}

function bitsOf(value: number): number {
  scratch.setFloat32(0, value)
  return Number.isNaN(value) ? 0x7fc0_0000 : scratch.getUint32(0)
}

function wordsOf(bytes: Uint8Array, dtype: DType): readonly Word[] {
  if (bytes.byteLength % 4 !== 0) return [...bytes].map((byte) => wordOf(byte, dtype, 8))
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Array.from({ length: bytes.byteLength / 4 }, (_, at) =>
    wordOf(view.getUint32(at * 4, true), dtype, 32),
  )
}

function wordOf(bits: number, dtype: DType, width: 8 | 32): Word {
  if (dtype === 'f32') {
    scratch.setUint32(0, bits)
    return { bits, width, text: floatText(scratch.getFloat32(0)) }
  }
  if (dtype === 'i8') return { bits, width: 8, text: String((bits << 24) >> 24) }
  return { bits, width, text: String(bits) }
}

/** The fewest digits that mean this f32 and no other. */
export function floatText(value: number): string {
  if (!Number.isFinite(value) || value === 0) return Object.is(value, -0) ? '−0' : signed(value)
  for (let digits = 1; digits < 9; digits++) {
    const text = value.toPrecision(digits)
    if (Math.fround(Number(text)) === value) return signed(Number(text))
  }
  return signed(Number(value.toPrecision(9)))
}

function signed(value: number): string {
  return String(value).replace('-', '−').replace('Infinity', '∞').replace('e−', 'e-')
}
