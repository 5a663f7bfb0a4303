import { BaseError } from '../../runtime/Errors.ts'
import type { ByteSource } from './ByteSource.ts'
import { fileTypes, tensorTypes } from './ggmlTypes.ts'
import { widen } from './halves.ts'
import * as Q8 from './Q8.ts'

/**
 * What a GGUF file says about itself before its weights
 * (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
 */
export type Gguf = {
  readonly version: number
  readonly metadata: ReadonlyMap<string, Value>
  readonly tensors: readonly Tensor[]
}

/** 64-bit integers that a number cannot hold are bigints. */
export type Value = number | bigint | boolean | string | readonly Value[]

export type Tensor = {
  readonly name: string
  /** Contiguous dimension first, as ggml counts them. */
  readonly shape: readonly number[]
  /** ggml's number of the type; 0 is F32. */
  readonly type: number
  /** From the start of the file. */
  readonly offset: number
}

/**
 * Reads and checks the header of a file: magic, version, the bounds of every count, name and tensor.
 *
 * @throws {InvalidError} when it is not a GGUF file, cut short, or larger than any real header.
 */
export async function read(source: ByteSource): Promise<Gguf> {
  const { byteLength: size } = source
  for (let bytes = 1 << 20; ; bytes *= 2) {
    const result = attempt(await source.read(0, Math.min(bytes, size)), size)
    if (typeof result !== 'string') return result
    const needsMore = result === headerEnds && bytes < size
    if (needsMore && bytes < limits.headerBytes) continue
    throw new InvalidError({ reason: needsMore ? 'its header is too large' : result })
  }
}

/**
 * Parses the start of a file that is `fileBytes` long in all.
 *
 * @throws {InvalidError} when it is not a whole GGUF header.
 */
export function parse(head: Uint8Array, options: { fileBytes?: number } = {}): Gguf {
  const { fileBytes = head.byteLength } = options
  const result = attempt(head, fileBytes)
  if (typeof result === 'string') throw new InvalidError({ reason: result })
  return result
}

/** How the weights are stored: the file's own word for it, or the type of most of its bytes. */
export function quantisation(gguf: Gguf): string {
  const named = fileTypes[Number(gguf.metadata.get('general.file_type') ?? -1)]
  if (named) return named
  const weights = new Map<string, number>()
  for (const { shape, type } of gguf.tensors) {
    const name = tensorTypes[type]?.name ?? `type ${type}`
    weights.set(name, (weights.get(name) ?? 0) + product(shape))
  }
  return [...weights].toSorted((a, b) => b[1] - a[1])[0]?.[0] ?? 'none'
}

/** A text of the metadata, or undefined when it is absent or something else. */
export function text(gguf: Gguf, key: string): string | undefined {
  const value = gguf.metadata.get(key)
  return typeof value === 'string' ? value : undefined
}

/** A number of the metadata, or undefined when it is absent or something else. */
export function number(gguf: Gguf, key: string): number | undefined {
  const value = gguf.metadata.get(key)
  return typeof value === 'number' ? value : undefined
}

/**
 * Where a tensor's bytes lie.
 *
 * @throws {InvalidError} when its type is newer than our table.
 */
export function rangeOf({ name, type, shape, offset }: Tensor): { begin: number; end: number } {
  const known = tensorTypes[type]
  if (!known) throw new InvalidError({ reason: `${show(name)} is of the unknown type ${type}` })
  return { begin: offset, end: offset + (product(shape) / known.block) * known.bytes }
}

/**
 * The weights of a tensor as f32, which holds all of them exactly: as bytes, little-endian.
 *
 * @param bytes those of its range.
 * @throws {InvalidError} when it is none of F32, F16, BF16 and Q8_0.
 */
export function toF32({ name, type }: Tensor, bytes: Uint8Array): Uint8Array {
  const known = tensorTypes[type]?.name
  if (known === 'F32') return bytes.slice()
  if (known === 'F16' || known === 'BF16') return widen(known, bytes)
  if (known === 'Q8_0') return Q8.dequantise(bytes)
  const told = known ?? `of type ${type}`
  throw new InvalidError({
    reason: `${show(name)} is ${told}: only F32, F16, BF16 and Q8_0 are read`,
  })
}

/** Sizes that no file in use reaches, so that a hostile one costs little. */
const limits = {
  headerBytes: 256 << 20,
  entries: 65_536,
  tensors: 65_536,
  stringBytes: 16 << 20,
  items: 4_000_000,
  dimensions: 4,
}

const headerEnds = 'it ends inside its header'

/** Returns the reason when the bytes are not a header. */
function attempt(head: Uint8Array, fileBytes: number): Gguf | string {
  try {
    return parseHeader(head, fileBytes)
  } catch (error) {
    if (error instanceof RangeError) return headerEnds
    if (error instanceof HeaderError) return error.message
    throw error
  }
}

function parseHeader(head: Uint8Array, fileBytes: number): Gguf {
  const cursor = cursorOf(head)
  if (head.byteLength < 4) throw new HeaderError('it is too short to be one')
  if (cursor.u32() !== 0x46554747) throw new HeaderError('it does not start with "GGUF"')
  const version = cursor.u32()
  if (version !== 2 && version !== 3) throw new HeaderError(`its version is ${version}, not 2 or 3`)
  const tensorCount = cursor.count('tensors', limits.tensors)
  const entryCount = cursor.count('metadata entries', limits.entries)

  const metadata = new Map<string, Value>()
  for (let i = 0; i < entryCount; i++) {
    const key = cursor.string()
    if (metadata.has(key)) throw new HeaderError(`it has the key ${show(key)} twice`)
    metadata.set(key, cursor.value(cursor.u32()))
  }
  const infos = Array.from({ length: tensorCount }, () => tensorInfo(cursor))
  const alignment = metadata.get('general.alignment') ?? 32
  if (typeof alignment !== 'number' || alignment < 1 || alignment > 65_536 || alignment % 8 !== 0)
    throw new HeaderError('its alignment is not a multiple of 8')
  const start = align(cursor.position(), alignment)
  const tensors = infos.map((info) => ({ ...info, offset: start + info.offset }))
  for (const tensor of tensors) checkBounds(tensor, alignment, start, fileBytes)
  checkApart(tensors)
  return { version, metadata, tensors }
}

/** No name twice, no byte in two tensors. A type newer than our table has an unknown end. */
function checkApart(tensors: readonly Tensor[]): void {
  const names = new Set(tensors.map(({ name }) => name))
  if (names.size < tensors.length) throw new HeaderError('two of its tensors have one name')
  let end = 0
  for (const tensor of tensors.toSorted((a, b) => a.offset - b.offset)) {
    if (tensor.offset < end) throw new HeaderError(`tensor ${show(tensor.name)} overlaps another`)
    end = tensorTypes[tensor.type] ? rangeOf(tensor).end : tensor.offset + 1
  }
}

function tensorInfo(cursor: Cursor): Tensor {
  const name = cursor.string()
  const dimensions = cursor.u32()
  if (dimensions < 1 || dimensions > limits.dimensions)
    throw new HeaderError(`tensor ${show(name)} has ${dimensions} dimensions`)
  const shape = Array.from({ length: dimensions }, () =>
    cursor.count(`weights of ${show(name)}`, Number.MAX_SAFE_INTEGER),
  )
  return { name, shape, type: cursor.u32(), offset: cursor.count('offset', 2 ** 50) }
}

function checkBounds(tensor: Tensor, alignment: number, start: number, fileBytes: number): void {
  const { name, shape, offset } = tensor
  const type = tensorTypes[tensor.type]
  const weights = product(shape)
  if (shape.some((size) => size < 1) || weights > 2 ** 50)
    throw new HeaderError(`tensor ${show(name)} has an impossible shape`)
  if ((offset - start) % alignment !== 0)
    throw new HeaderError(`tensor ${show(name)} is not aligned`)
  if (type && shape[0]! % type.block !== 0)
    throw new HeaderError(`tensor ${show(name)} does not hold whole blocks of ${type.name}`)
  // A type newer than our table is left to the runtime, which knows its size or refuses it.
  const bytes = type ? (weights / type.block) * type.bytes : 1
  if (offset + bytes > fileBytes)
    throw new HeaderError(
      `it is cut short: tensor ${show(name)} ends at byte ${offset + bytes}, the file at ${fileBytes}`,
    )
}

type Cursor = ReturnType<typeof cursorOf>

/** Reads little-endian values one after the other; a `RangeError` means the bytes ran out. */
function cursorOf(bytes: Uint8Array) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const decoder = new TextDecoder()
  let at = 0
  let items = 0
  const take = <type>(size: number, get: (offset: number) => type): type => {
    const value = get(at)
    at += size
    return value
  }
  const u32 = () => take(4, (offset) => view.getUint32(offset, true))
  const integer = (value: bigint) => {
    const number = Number(value)
    return Number.isSafeInteger(number) ? number : value
  }
  const count = (what: string, limit: number) => {
    const value = take(8, (offset) => view.getBigUint64(offset, true))
    if (value > limit) throw new HeaderError(`it claims ${value} ${what}, more than ${limit}`)
    return Number(value)
  }
  const string = () => {
    const size = count('bytes of text', limits.stringBytes)
    if (at + size > bytes.byteLength) throw new RangeError(headerEnds)
    return take(size, (offset) => decoder.decode(bytes.subarray(offset, offset + size)))
  }
  const array = (): readonly Value[] => {
    const type = u32()
    if (type === 9) throw new HeaderError('it nests an array in an array')
    const size = count('items of an array', limits.items)
    items += size
    if (items > limits.items) throw new HeaderError('its arrays hold too many items')
    const values: Value[] = []
    for (let i = 0; i < size; i++) values.push(value(type))
    return values
  }
  const readers: Readonly<Record<number, () => Value>> = {
    0: () => take(1, (offset) => view.getUint8(offset)),
    1: () => take(1, (offset) => view.getInt8(offset)),
    2: () => take(2, (offset) => view.getUint16(offset, true)),
    3: () => take(2, (offset) => view.getInt16(offset, true)),
    4: u32,
    5: () => take(4, (offset) => view.getInt32(offset, true)),
    6: () => take(4, (offset) => view.getFloat32(offset, true)),
    7: () => take(1, (offset) => view.getUint8(offset) !== 0),
    8: string,
    9: array,
    10: () => take(8, (offset) => integer(view.getBigUint64(offset, true))),
    11: () => take(8, (offset) => integer(view.getBigInt64(offset, true))),
    12: () => take(8, (offset) => view.getFloat64(offset, true)),
  }
  const value = (type: number): Value => {
    const reader = readers[type]
    if (!reader) throw new HeaderError(`it has a value of the unknown type ${type}`)
    return reader()
  }
  return { u32, count, string, value, position: () => at }
}

function align(offset: number, alignment: number): number {
  return Math.ceil(offset / alignment) * alignment
}

function product(shape: readonly number[]): number {
  return shape.reduce((total, size) => total * size, 1)
}

function show(name: string): string {
  return JSON.stringify(name.slice(0, 64))
}

/** The reason a header is wrong, on its way to an `InvalidError` that knows the file. */
class HeaderError extends Error {}

/** Thrown when a file is not a GGUF model that can be loaded. */
export class InvalidError extends BaseError {
  override readonly code = 'Gguf.InvalidError'

  constructor({ path, reason, cause }: { path?: string; reason: string; cause?: unknown }) {
    super('The file is not a whole GGUF model.', {
      cause,
      metaMessages: [
        ...(path === undefined ? [] : [`File: ${path}`]),
        `Reason: ${reason}`,
        'Fix: fetch the file again and compare its size and SHA-256 with where it came from.',
      ],
    })
    this.reason = reason
  }

  /** What is wrong with it. */
  readonly reason: string
}
