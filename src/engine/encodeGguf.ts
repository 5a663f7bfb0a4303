/**
 * Encodes a GGUF file of version 3 with F32 tensors: the same content gives the same bytes.
 *
 * @param file.metadata Entries in the order they are to stand; numbers need their type said.
 */
export function encodeGguf(file: encodeGguf.File): Uint8Array {
  const writer = writerOf()
  writer.u32(0x46554747)
  writer.u32(3)
  writer.u64(file.tensors.length)
  writer.u64(file.metadata.length)
  for (const entry of file.metadata) writer.entry(entry)
  let offset = 0
  for (const { name, shape, data } of file.tensors) {
    if (shape.reduce((total, size) => total * size, 1) !== data.length)
      throw new RangeError(`The shape of ${name} does not hold its ${data.length} weights.`)
    writer.string(name)
    writer.u32(shape.length)
    for (const size of shape) writer.u64(size)
    writer.u32(0)
    writer.u64(offset)
    offset += align(data.byteLength)
  }
  writer.pad()
  for (const { data } of file.tensors) {
    writer.floats(data)
    writer.pad()
  }
  return writer.bytes()
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
  type Tensor = {
    readonly name: string
    /** Contiguous dimension first. */
    readonly shape: readonly number[]
    readonly data: Float32Array
  }
}

const alignment = 32

function align(size: number): number {
  return Math.ceil(size / alignment) * alignment
}

function writerOf() {
  const chunks: Buffer[] = []
  let length = 0
  const push = (chunk: Buffer) => {
    chunks.push(chunk)
    length += chunk.length
  }
  const number = (size: number, put: (chunk: Buffer) => void) => {
    const chunk = Buffer.alloc(size)
    put(chunk)
    push(chunk)
  }
  const u32 = (value: number) => number(4, (chunk) => chunk.writeUInt32LE(value))
  const i32 = (value: number) => number(4, (chunk) => chunk.writeInt32LE(value))
  const u64 = (value: number) => number(8, (chunk) => chunk.writeBigUInt64LE(BigInt(value)))
  const string = (value: string) => {
    const bytes = Buffer.from(value)
    u64(bytes.length)
    push(bytes)
  }
  const array = <item>(type: number, items: readonly item[], put: (item: item) => void) => {
    u32(9)
    u32(type)
    u64(items.length)
    for (const item of items) put(item)
  }
  const entry = (item: encodeGguf.Entry): void => {
    string(item[0])
    switch (item[1]) {
      case 'u32':
        u32(4)
        return u32(item[2])
      case 'f32':
        u32(6)
        return number(4, (chunk) => chunk.writeFloatLE(item[2]))
      case 'bool':
        u32(7)
        return number(1, (chunk) => chunk.writeUInt8(item[2] ? 1 : 0))
      case 'string':
        u32(8)
        return string(item[2])
      case 'strings':
        return array(8, item[2], string)
      case 'i32s':
        return array(5, item[2], i32)
    }
  }
  return {
    u32,
    u64,
    string,
    entry,
    floats(data: Float32Array) {
      const chunk = Buffer.alloc(data.byteLength)
      for (let i = 0; i < data.length; i++) chunk.writeFloatLE(data[i]!, i * 4)
      push(chunk)
    },
    pad: () => push(Buffer.alloc(align(length) - length)),
    bytes: () => new Uint8Array(Buffer.concat(chunks)),
  }
}
