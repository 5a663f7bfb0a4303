import { BaseError, messageOf } from '../runtime/Errors.ts'
import { checkNode } from './checkGraph.ts'
import { equal } from './commit/merkle.ts'
import { dtypeNumbers } from './commit/StateRoot.ts'
import type { Node } from './Graph.ts'
import { attributesOf, kindNumbers, leafOf } from './judgeable.ts'
import { arity, limits as programLimits, operators, type Program } from './Program.ts'
import { count, type DType, limits, type Shape } from './Tensor.ts'

/**
 * Reads a leaf of a graph back, from anyone: what `judgeable.ts` writes and nothing else. Sizes, numbers
 * and programs are bounded, an op is built again from the shapes of its inputs, and the bytes must be
 * those that `leafOf` gives for what was read. Whether an input's number lies below the op's own, and
 * whether its leaf says the same type and shape, is for the reader to compare: a leaf does not know its
 * place.
 *
 * @throws {MalformedLeafError} naming what is wrong.
 *
 * @example
 * ```ts
 * const leaf = readLeaf(opening.leaf)
 * if (leaf.kind === 'op' && leaf.op.kind === 'contract') judge(leaf.inputs)
 * ```
 */
export function readLeaf(bytes: Uint8Array): Leaf {
  if (bytes.byteLength < 16 * 32 || bytes.byteLength > longest || bytes.byteLength % 32 !== 0)
    throw new MalformedLeafError(`A leaf has 16 to ${longest / 32} whole words.`)
  const reader = startReader(bytes)
  const kind = kindOf(reader.word())
  const type = reader.type()
  const attributes = Array.from({ length: 6 }, () => reader.raw())
  const inputs = Array.from({ length: reader.word(64) }, () => ({
    index: reader.word(),
    ...reader.type(),
  }))
  const program = kind === 'map' ? readProgram(reader) : undefined
  const numbers = () => attributes.map(numberOf)
  const [name] = attributes
  const leaf = (): Leaf => {
    if (kind === 'state') return { kind, ...type, name: name!, next: numberOf(attributes[1]!) }
    if (kind === 'batch') return { kind, ...type, name: name! }
    if (kind === 'result') return { kind, ...type, name: name!, value: numberOf(attributes[1]!) }
    const op = opFrom(kind, { attributes: numbers(), program, rank: type.shape.length })
    const read = inputs.map((_, index) => index)
    let node: Node
    try {
      node = checkNode({ op, inputs: read, ...type }, 'The leaf', inputs)
    } catch (cause) {
      throw new MalformedLeafError(messageOf(cause), { cause })
    }
    return { kind: 'op', op: node.op, ...type, inputs }
  }
  const found = leaf()
  if (!equal(writeLeaf(found), bytes))
    throw new MalformedLeafError('The leaf holds bytes that mean nothing: it is not canonical.')
  return found
}

/** What a leaf of a graph says. A name is known by its SHA-256 alone. */
export type Leaf =
  | (Typed & { readonly kind: 'state'; readonly name: Uint8Array; readonly next: number })
  | (Typed & { readonly kind: 'batch'; readonly name: Uint8Array })
  | (Typed & { readonly kind: 'result'; readonly name: Uint8Array; readonly value: number })
  | (Typed & { readonly kind: 'op'; readonly op: Node['op']; readonly inputs: readonly Input[] })

/** A value that an op reads: its number, which is its leaf's, and what it is. */
export type Input = Typed & { readonly index: number }

type Typed = { readonly dtype: DType; readonly shape: Shape }

/** The bytes of a leaf: the reverse of `readLeaf`. */
export function writeLeaf(leaf: Leaf): Uint8Array<ArrayBuffer> {
  const { dtype, shape } = leaf
  switch (leaf.kind) {
    case 'state':
      return leafOf({ kind: 'state', dtype, shape, attributes: [leaf.name, leaf.next] })
    case 'batch':
      return leafOf({ kind: 'batch', dtype, shape, attributes: [leaf.name] })
    case 'result':
      return leafOf({ kind: 'result', dtype, shape, attributes: [leaf.name, leaf.value] })
    case 'op': {
      const { op, inputs: read } = leaf
      const program = op.kind === 'map' ? op.program : undefined
      return leafOf({ kind: op.kind, dtype, shape, attributes: attributesOf(op), read, program })
    }
  }
}

/** Head, 64 inputs, the head of a program, its constants and its instructions, in bytes. */
const longest =
  (1 + 8 + 6 + 1 + 64 * 9 + 4) * 32 + programLimits.constants * 4 + programLimits.code * 8

type Reader = ReturnType<typeof startReader>

function startReader(bytes: Uint8Array) {
  let at = 0
  const take = (size: number) => {
    if (at + size > bytes.byteLength)
      throw new MalformedLeafError(`The leaf ends at byte ${bytes.byteLength}, too early.`)
    at += size
    return bytes.subarray(at - size, at)
  }
  const word = (limit = 2 ** 32 - 1) => {
    const value = numberOf(take(32))
    if (value > limit) throw new MalformedLeafError(`A number is ${value}: at most ${limit}.`)
    return value
  }
  const type = (): Typed => {
    const [dtype] = dtypes[word()] ?? []
    if (!dtype) throw new MalformedLeafError('A type is none of f32, u32, i8.')
    const rank = word(limits.rank)
    const sizes = Array.from({ length: limits.rank }, () => word(limits.elements))
    const shape = sizes.slice(0, rank)
    if (shape.includes(0) || count(shape) > limits.elements)
      throw new MalformedLeafError(`[${shape.join(', ')}] is the shape of no tensor.`)
    return { dtype, shape }
  }
  /** A word as it stands. */
  const raw = () => take(32).slice()
  return { take, word, type, raw }
}

/** Types with their numbers, in order. */
const dtypes = Object.entries(dtypeNumbers) as readonly [DType, number][]

function numberOf(word: Uint8Array): number {
  const view = new DataView(word.buffer, word.byteOffset)
  if (word.subarray(0, 28).some((byte) => byte !== 0))
    throw new MalformedLeafError('A number takes more than 32 bits.')
  return view.getUint32(28)
}

function kindOf(number: number): keyof typeof kindNumbers {
  const found = Object.entries(kindNumbers).find(([, value]) => value === number)
  if (!found) throw new MalformedLeafError(`No kind has the number ${number}.`)
  return found[0] as keyof typeof kindNumbers
}

function readProgram(reader: Reader): Program {
  const inputs = reader.word(programLimits.inputs)
  const constants = reader.word(programLimits.constants)
  const code = reader.word(programLimits.code)
  const result = reader.word()
  const data = viewOf(reader.take(Math.ceil(constants / 8) * 32))
  const instructions = viewOf(reader.take(Math.ceil(code / 4) * 32))
  return {
    inputs,
    result,
    constants: Array.from({ length: constants }, (_, index) => data.getUint32(index * 4)),
    code: Array.from({ length: code }, (_, index) => {
      const operator = operators[instructions.getUint16(index * 8)]
      if (!operator) throw new MalformedLeafError(`Instruction ${index} is of no known operator.`)
      const places = Array.from({ length: arity[operator] }, (_place, place) => 2 + 2 * place)
      return [operator, ...places.map((place) => instructions.getUint16(index * 8 + place))]
    }),
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** An op as plain data, for `checkNode`. */
function opFrom(
  kind: Node['op']['kind'],
  { attributes, program, rank }: Attributes,
): Readonly<Record<string, unknown>> {
  const [first, second] = attributes
  const bit = (value: number | undefined) => (value === 1 ? true : value === 0 ? false : value)
  switch (kind) {
    case 'contract':
    case 'contract-i8':
      return { kind, transposeA: bit(first), transposeB: bit(second) }
    case 'map':
      return { kind, program }
    case 'reduce':
      return { kind, of: ['sum', 'sumsq', 'max'][first!], axis: second }
    case 'transpose':
      return { kind, permutation: attributes.slice(0, rank) }
    case 'slice':
      return { kind, starts: attributes.slice(0, rank) }
    case 'concat':
    case 'place':
      return { kind, axis: first }
    case 'philox':
      return { kind, stream: first }
    case 'reshape':
    case 'broadcast':
    case 'gather':
    case 'scatter-add':
      return { kind }
  }
}

type Attributes = {
  readonly attributes: readonly number[]
  readonly program: Program | undefined
  readonly rank: number
}

/** Thrown when a leaf is not one that `judgeable.ts` writes. */
export class MalformedLeafError extends BaseError {
  override readonly code = 'Exact.MalformedLeafError'

  constructor(shortMessage: string, options: BaseError.Options = {}) {
    super(shortMessage, options)
  }
}
