import { BaseError } from '../../runtime/Errors.ts'
import { tensorTypes } from './ggmlTypes.ts'

/**
 * Encodes a GGUF file of version 3: the same content gives the same bytes.
 *
 * @param file.metadata Entries in the order they are to stand; numbers need their type said.
 * @throws {EncodeError} when a tensor's shape does not hold its bytes.
 */
export function encodeGguf(file: encodeGguf.File): Uint8Array<ArrayBuffer> {
  const chunks = [...encodeGgufChunks(file)]
  const bytes = new Uint8Array(chunks.reduce((total, { byteLength }) => total + byteLength, 0))
  let at = 0
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.byteLength
  }
  return bytes
}

/** The same piece by piece, so that a large file need not stand in memory twice. */
export function* encodeGgufChunks(file: encodeGguf.File): Generator<Uint8Array> {
  const tensors = file.tensors.map(storedOf)
  const writer = startWriter()
  writer.u32(0x46554747)
  writer.u32(3)
  writer.u64(tensors.length)
  writer.u64(file.metadata.length)
  for (const entry of file.metadata) writer.entry(entry)
  let offset = 0
  for (const { name, shape, type, byteLength } of tensors) {
    writer.string(name)
    writer.u32(shape.length)
    for (const size of shape) writer.u64(size)
    writer.u32(type)
    writer.u64(offset)
    offset += align(byteLength)
  }
  const header = writer.bytes()
  yield header
  yield padding(header.byteLength)
  for (const { bytes, byteLength } of tensors) {
    yield bytes()
    yield padding(byteLength)
  }
}

export declare namespace encodeGguf {
  type File = {
    readonly metadata: readonly Entry[]
    readonly tensors: readonly Tensor[]
  }
  type Entry =
    | readonly [key: string, type: 'u32' | 'f32', value: number]
    | readonly [key: string, type: 'bool', value: boolean]
    | readonly [key: string, type: 'string', value: string]
    | readonly [key: string, type: 'strings', value: readonly string[]]
    | readonly [key: string, type: 'i32s', value: readonly number[]]
  type Tensor = Floats | Stored
  /** Weights of F32. */
  type Floats = {
    readonly name: string
    /** Contiguous dimension first. */
    readonly shape: readonly number[]
    readonly data: Float32Array
  }
  /** Weights as they are to stand in the file. */
  type Stored = {
    readonly name: string
    readonly shape: readonly number[]
    readonly type: 'F32' | 'F16' | 'BF16' | 'Q8_0'
    readonly bytes: Uint8Array
  }
}

const alignment = 32

function align(size: number): number {
  return Math.ceil(size / alignment) * alignment
}

function padding(size: number): Uint8Array {
  return new Uint8Array(align(size) - size)
}

function storedOf(tensor: encodeGguf.Tensor) {
  const { name, shape } = tensor
  const type = 'data' in tensor ? 'F32' : tensor.type
  const { byteLength } = 'data' in tensor ? tensor.data : tensor.bytes
  const [number, known] = Object.entries(tensorTypes).find(([, entry]) => entry.name === type)!
  const weights = shape.reduce((total, size) => total * size, 1)
  const isWhole = (shape[0] ?? 0) % known.block === 0
  if (shape.length < 1 || !isWhole || (weights / known.block) * known.bytes !== byteLength)
    throw new EncodeError(
      `[${shape.join(', ')}] of ${type} is not the shape of the ${byteLength} bytes of ${name}.`,
    )
  const bytes = () => ('data' in tensor ? bytesOf(tensor.data) : tensor.bytes)
  return { name, shape, type: Number(number), byteLength, bytes }
}

function bytesOf(data: Float32Array): Uint8Array {
  const bytes = new Uint8Array(data.byteLength)
  const view = new DataView(bytes.buffer)
  data.forEach((value, index) => view.setFloat32(index * 4, value, true))
  return bytes
}

function startWriter() {
  const encoder = new TextEncoder()
  let bytes = new Uint8Array(4096)
  let view = new DataView(bytes.buffer)
  let length = 0
  /** Writes what takes `size` bytes, where there is room for it. */
  const put = (size: number, write: (view: DataView, at: number) => void) => {
    if (length + size > bytes.byteLength) {
      const larger = new Uint8Array(2 * (length + size))
      larger.set(bytes.subarray(0, length))
      bytes = larger
      view = new DataView(bytes.buffer)
    }
    write(view, length)
    length += size
  }
  const u32 = (value: number) => put(4, (to, at) => to.setUint32(at, value, true))
  const i32 = (value: number) => put(4, (to, at) => to.setInt32(at, value, true))
  const u64 = (value: number) => put(8, (to, at) => to.setBigUint64(at, BigInt(value), true))
  const string = (value: string) => {
    const text = encoder.encode(value)
    u64(text.byteLength)
    put(text.byteLength, (_, at) => bytes.set(text, at))
  }
  const array = <item>(type: number, items: readonly item[], each: (item: item) => void) => {
    u32(9)
    u32(type)
    u64(items.length)
    for (const item of items) each(item)
  }
  const entry = (item: encodeGguf.Entry): void => {
    string(item[0])
    switch (item[1]) {
      case 'u32':
        u32(4)
        return u32(item[2])
      case 'f32':
        u32(6)
        return put(4, (to, at) => to.setFloat32(at, item[2], true))
      case 'bool':
        u32(7)
        return put(1, (to, at) => to.setUint8(at, item[2] ? 1 : 0))
      case 'string':
        u32(8)
        return string(item[2])
      case 'strings':
        return array(8, item[2], string)
      case 'i32s':
        return array(5, item[2], i32)
    }
  }
  return { u32, u64, string, entry, bytes: () => bytes.slice(0, length) }
}

/** Thrown when a GGUF file cannot hold what it is given. */
export class EncodeError extends BaseError {
  override readonly code = 'Gguf.EncodeError'

  constructor(shortMessage: string) {
    super(shortMessage)
  }
}
