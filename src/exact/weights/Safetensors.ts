import { BaseError } from '../../runtime/Errors.ts'
import { widen } from './halves.ts'

/**
 * Weights in a safetensors file (https://huggingface.co/docs/safetensors): a JSON header with the place of
 * each tensor, then their bytes, little-endian and row-major.
 */
export type Safetensors = {
  readonly metadata: Readonly<Record<string, string>>
  readonly tensors: readonly Tensor[]
}

export type Tensor = Info & {
  /** As long as type and shape say; a view of the file when it was read. */
  readonly bytes: Uint8Array
}

/** What a header says about a tensor. */
export type Info = {
  readonly name: string
  readonly dtype: DType
  readonly shape: readonly number[]
}

/** A tensor and where its bytes are, from the start of the file. */
export type Entry = Info & { readonly begin: number; readonly end: number }

/** Types and how many bytes an element takes. */
export const dtypes = {
  F64: 8,
  I64: 8,
  U64: 8,
  F32: 4,
  I32: 4,
  U32: 4,
  F16: 2,
  BF16: 2,
  I16: 2,
  U16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
} as const

export type DType = keyof typeof dtypes

/** The longest header, the most tensors and axes, and the longest name that is read. */
export const limits = { headerBytes: 16 * 2 ** 20, tensors: 100_000, rank: 16, name: 1024 } as const

/**
 * Reads a whole file in memory.
 *
 * @throws {SafetensorsError} when it is not exactly what the format allows.
 *
 * @example
 * ```ts
 * const { tensors } = Safetensors.read(await readFile('model.safetensors'))
 * const weights = Safetensors.toF32(tensors[0]!)
 * ```
 */
export function read(file: Uint8Array): Safetensors {
  const { metadata, entries } = readHeader(file, { fileBytes: file.byteLength })
  return {
    metadata,
    tensors: entries.map(({ name, dtype, shape, begin, end }) => ({
      name,
      dtype,
      shape,
      bytes: file.subarray(begin, end),
    })),
  }
}

/**
 * Reads the header of a file that is `fileBytes` long, of which `head` is the start; the tensors can then
 * be read one by one. Their ranges are within the file, whole, and do not overlap.
 *
 * @throws {SafetensorsError} when it is malformed, or `head` does not hold all of `headerBytes(head)`.
 */
export function readHeader(head: Uint8Array, { fileBytes }: { fileBytes: number }): Header {
  const start = headerBytes(head)
  if (start > fileBytes) throw invalid('the file ends within its header')
  if (start > head.byteLength) throw invalid(`its header takes ${start} bytes`)
  const text = textOf(head.subarray(8, start))
  const { header, keys } = parse(text)
  const { __metadata__: about = {}, ...rest } = header
  const metadata = metadataOf(about)
  const names = Object.keys(rest)
  if (names.length > limits.tensors) throw invalid(`it has more than ${limits.tensors} tensors`)
  const entries = names.map((name) => entryOf(name, rest[name], { start, fileBytes }))
  // JSON.parse keeps the last of two fields of one name; then fewer are left than colons were read.
  const known = Object.keys(header).length + Object.keys(metadata).length + 3 * entries.length
  if (keys !== known) throw invalid('a name stands in its header twice')
  checkRanges(entries, { start, fileBytes })
  return { metadata, entries }
}

export type Header = {
  readonly metadata: Readonly<Record<string, string>>
  readonly entries: readonly Entry[]
}

/** How many bytes of a file come before the first tensor, by its first eight. */
export function headerBytes(head: Uint8Array): number {
  if (head.byteLength < 8) throw invalid('the file is shorter than 8 bytes')
  const length = viewOf(head).getBigUint64(0, true)
  if (length > BigInt(limits.headerBytes))
    throw invalid(`its header says it takes ${length} bytes, more than ${limits.headerBytes}`)
  return 8 + Number(length)
}

/**
 * The bytes of a file with these tensors. Wider types come first, so that each lies at a multiple of its
 * size; otherwise the order stays.
 *
 * @throws {SafetensorsError} when a name stands twice or bytes do not fit their shape.
 */
export function write({ metadata, tensors }: Safetensors): Uint8Array {
  const sorted = tensors.toSorted((a, b) => dtypes[b.dtype] - dtypes[a.dtype])
  let end = 0
  const fields = sorted.map(({ name, dtype, shape, bytes }) => {
    if (bytes.byteLength !== byteLengthOf(dtype, shape))
      throw invalid(`${quoted(name)} has ${bytes.byteLength} bytes, which its shape does not take`)
    const begin = end
    end += bytes.byteLength
    return [checkName(name), { dtype, shape, data_offsets: [begin, end] }] as const
  })
  if (new Set(fields.map(([name]) => name)).size < fields.length)
    throw invalid('two tensors have one name')
  const about = Object.keys(metadata).length > 0 ? [['__metadata__', metadata] as const] : []
  const header = new TextEncoder().encode(JSON.stringify(Object.fromEntries([...about, ...fields])))
  const start = Math.ceil((8 + header.byteLength) / 8) * 8
  const file = new Uint8Array(start + end)
  viewOf(file).setBigUint64(0, BigInt(start - 8), true)
  file.fill(0x20, 8, start)
  file.set(header, 8)
  let at = start
  for (const { bytes } of sorted) {
    file.set(bytes, at)
    at += bytes.byteLength
  }
  return file
}

/**
 * The elements of an F32, F16 or BF16 tensor as f32, which holds all of them exactly: as bytes, little-endian.
 *
 * @throws {SafetensorsError} for any other type.
 */
export function toF32({ name, dtype, bytes }: Tensor): Uint8Array {
  if (dtype === 'F32') return bytes.slice()
  if (dtype !== 'F16' && dtype !== 'BF16')
    throw invalid(`${quoted(name)} is ${dtype}: give weights as F32, F16 or BF16`)
  return widen(dtype, bytes)
}

function entryOf(name: string, value: unknown, file: { start: number; fileBytes: number }): Entry {
  checkName(name)
  if (typeof value !== 'object' || value === null || Object.keys(value).length !== 3)
    throw invalid(`${quoted(name)} needs a dtype, a shape and data_offsets`)
  const { dtype, shape, data_offsets: offsets } = value as Partial<Record<string, unknown>>
  if (typeof dtype !== 'string' || !Object.hasOwn(dtypes, dtype))
    throw invalid(`${quoted(name)} is of a type that is none of ${Object.keys(dtypes).join(', ')}`)
  if (!isSizes(shape) || shape.length > limits.rank)
    throw invalid(`the shape of ${quoted(name)} is not a list of sizes`)
  if (!isSizes(offsets) || offsets.length !== 2)
    throw invalid(`${quoted(name)} needs two data_offsets`)
  const [begin, end] = offsets.map((offset) => file.start + offset) as [number, number]
  if (begin > end || end > file.fileBytes)
    throw invalid(`${quoted(name)} lies outside the file: it may have been cut short`)
  if (end - begin !== byteLengthOf(dtype as DType, shape))
    throw invalid(`${quoted(name)} does not have as many bytes as its shape takes`)
  return { name, dtype: dtype as DType, shape, begin, end }
}

/** One after the other, from the end of the header to the end of the file. */
function checkRanges(
  entries: readonly Entry[],
  { start, fileBytes }: { start: number; fileBytes: number },
): void {
  let at = start
  for (const { name, begin, end } of entries.toSorted(
    (a, b) => a.begin - b.begin || a.end - b.end,
  )) {
    if (begin !== at) throw invalid(`${quoted(name)} overlaps another tensor or leaves a gap`)
    at = end
  }
  if (at !== fileBytes) throw invalid('bytes follow that belong to no tensor')
}

/** Parses the header and counts its fields, those that JSON.parse drops too. */
function parse(text: string): { header: Record<string, unknown>; keys: number } {
  let header: unknown
  try {
    header = JSON.parse(text)
  } catch (cause) {
    throw invalid('its header is not JSON', cause)
  }
  if (!text.startsWith('{') || typeof header !== 'object' || header === null)
    throw invalid('its header is not a JSON object')
  let keys = 0
  let quotedText = false
  for (let at = 0; at < text.length; at++) {
    const character = text[at]
    if (character === '"') quotedText = !quotedText
    else if (quotedText && character === '\\') at++
    else if (!quotedText && character === ':') keys++
  }
  return { header: header as Record<string, unknown>, keys }
}

function metadataOf(about: unknown): Readonly<Record<string, string>> {
  const isText = (value: unknown) => typeof value === 'string'
  if (typeof about !== 'object' || about === null || Array.isArray(about))
    throw invalid('__metadata__ is not an object')
  if (!Object.values(about).every(isText)) throw invalid('__metadata__ holds more than text')
  return about as Record<string, string>
}

function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    throw invalid('its header is not UTF-8', cause)
  }
}

function isSizes(value: unknown): value is readonly number[] {
  return (
    Array.isArray(value) &&
    value.every((size) => Number.isSafeInteger(size) && (size as number) >= 0)
  )
}

/** NaN, which no length equals, when it is too large to count. */
function byteLengthOf(dtype: DType, shape: readonly number[]): number {
  const bytes = shape.reduce((product, size) => product * size, dtypes[dtype])
  return Number.isSafeInteger(bytes) ? bytes : Number.NaN
}

function checkName(name: string): string {
  if (name.length === 0 || name.length > limits.name || name === '__metadata__')
    throw invalid(`a tensor needs a name of 1 to ${limits.name} characters, not __metadata__`)
  return name
}

function quoted(name: string): string {
  return JSON.stringify(name.slice(0, 100))
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength)
}

function invalid(reason: string, cause?: unknown): SafetensorsError {
  return new SafetensorsError(reason, { cause })
}

/** Thrown when bytes are not a sound safetensors file, or cannot become one. */
export class SafetensorsError extends BaseError {
  override readonly code = 'Exact.SafetensorsError'

  constructor(reason: string, { cause }: { cause?: unknown } = {}) {
    super(`Not a sound safetensors file: ${reason}.`, {
      cause,
      metaMessages: ['Fetch the file again, or write it again with the safetensors library.'],
    })
  }
}
