import { describe, expect, test } from 'vitest'
import { codeOf } from '../../runtime/Errors.ts'
import { fromBytes } from './ByteSource.ts'
import { encodeGguf } from './encodeGguf.ts'
import * as Gguf from './Gguf.ts'

const small = (): encodeGguf.File => ({
  metadata: [
    ['general.architecture', 'string', 'llama'],
    ['general.file_type', 'u32', 0],
    ['llama.rope.freq_base', 'f32', 0.5],
    ['tokenizer.ggml.add_bos_token', 'bool', true],
    ['tokenizer.ggml.tokens', 'strings', ['a', 'ä', '']],
    ['tokenizer.ggml.token_type', 'i32s', [1, -1, 3]],
  ],
  tensors: [
    { name: 'one', shape: [3], data: Float32Array.of(1, 2, 3) },
    { name: 'two', shape: [2, 2], data: Float32Array.of(4, 5, 6, 7) },
  ],
})

/** Writes a header by hand, to say what no honest writer would. */
function header(...parts: readonly (number | bigint | string)[]): Buffer {
  return Buffer.concat(
    parts.map((part) => {
      if (typeof part === 'string')
        return Buffer.concat([u64(BigInt(part.length)), Buffer.from(part)])
      return typeof part === 'number' ? u32(part) : u64(part)
    }),
  )
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

function u64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(value)
  return bytes
}

const magic = 0x46554747
const reasonOf = (bytes: Uint8Array, fileBytes?: number) => {
  try {
    Gguf.parse(bytes, fileBytes === undefined ? {} : { fileBytes })
    return 'none'
  } catch (error) {
    expect(codeOf(error)).toBe('Gguf.InvalidError')
    return (error as Error).message
  }
}

describe('parse', () => {
  const text = (key: string) => [key, 8, 'x'] as const
  const tensor = (name: string, shape: readonly bigint[], type: number, offset: bigint) =>
    [name, shape.length, ...shape, type, offset] as const
  const pad = Array.from({ length: 32 }, () => 0)
  const refusals: readonly (readonly [string, Buffer, RegExp])[] = [
    ['nothing', Buffer.alloc(0), /too short/],
    ['another format', header(0x04034b50, 3, 0n, 0n), /does not start with/],
    ['big-endian bytes', header(magic, 0x03000000, 0n, 0n), /version is 50331648/],
    ['version 1', header(magic, 1, 0n, 0n), /version is 1/],
    ['2^60 entries', header(magic, 3, 0n, 1n << 60n), /metadata entries, more than/],
    ['2^60 tensors', header(magic, 3, 1n << 60n, 0n), /tensors, more than/],
    ['a huge text', header(magic, 3, 0n, 1n, 1n << 40n), /bytes of text, more than/],
    ['a huge array', header(magic, 3, 0n, 1n, 'k', 9, 0, 1n << 40n), /items of an array/],
    ['arrays in arrays', header(magic, 3, 0n, 1n, 'k', 9, 9, 1n), /nests an array/],
    ['an unknown value', header(magic, 3, 0n, 1n, 'k', 99), /unknown type 99/],
    ['a key twice', header(magic, 3, 0n, 2n, ...text('k'), ...text('k')), /"k" twice/],
    ['no end', header(magic, 3, 0n, 1n, 'k', 8), /ends inside its header/],
    ['an alignment of 0', header(magic, 3, 0n, 1n, 'general.alignment', 4, 0), /alignment/],
    ['five dimensions', header(magic, 3, 1n, 0n, 't', 5), /5 dimensions/],
    ['no weights', header(magic, 3, 1n, 0n, ...tensor('t', [0n], 0, 0n)), /impossible shape/],
    [
      'sizes that overflow',
      header(magic, 3, 1n, 0n, ...tensor('t', [1n << 40n, 1n << 40n], 0, 0n)),
      /impossible shape/,
    ],
    ['an odd offset', header(magic, 3, 1n, 0n, ...tensor('t', [1n], 0, 5n)), /not aligned/],
    [
      'half a block',
      header(magic, 3, 1n, 0n, ...tensor('t', [33n], 8, 0n)),
      /whole blocks of Q8_0/,
    ],
    [
      'a name twice',
      header(magic, 3, 2n, 0n, ...tensor('t', [1n], 0, 0n), ...tensor('t', [1n], 0, 32n), ...pad),
      /one name/,
    ],
    [
      'tensors in one place',
      header(magic, 3, 2n, 0n, ...tensor('t', [9n], 0, 0n), ...tensor('u', [1n], 0, 32n), ...pad),
      /"u" overlaps/,
    ],
    ['missing weights', header(magic, 3, 1n, 0n, ...tensor('t', [64n], 0, 0n)), /cut short/],
  ]
  test.each(refusals)('refuses %s', (_, bytes, reason) => {
    expect(reasonOf(bytes)).toMatch(reason)
  })

  test('refuses every file that was cut', () => {
    const bytes = encodeGguf(small())
    for (let size = 0; size < bytes.length - 32; size += 7)
      expect(reasonOf(bytes.subarray(0, size))).not.toBe('none')
  })

  test('keeps large integers exact', () => {
    const entry = (value: bigint) => header(magic, 3, 0n, 1n, 'k', 10, value)
    expect(Gguf.parse(entry(5n)).metadata.get('k')).toBe(5)
    expect(Gguf.parse(entry((1n << 63n) + 1n)).metadata.get('k')).toBe((1n << 63n) + 1n)
  })
})

describe('read', () => {
  test('reads a header that is longer than one piece', async () => {
    const tokens = Array.from({ length: 200_000 }, (_, i) => `token number ${i}`)
    const { tensors } = small()
    const bytes = encodeGguf({ metadata: [['tokens', 'strings', tokens]], tensors })
    const asked: number[] = []
    const source = fromBytes(bytes)
    const read = (begin: number, end: number) => {
      asked.push(end - begin)
      return source.read(begin, end)
    }
    const gguf = await Gguf.read({ ...source, read })
    expect(gguf.metadata.get('tokens')).toHaveLength(200_000)
    expect(gguf.tensors).toHaveLength(2)
    expect(asked.slice(0, 2)).toEqual([1 << 20, 2 << 20])
  })

  test('refuses a source that ends too early', async () => {
    const bytes = encodeGguf(small()).subarray(0, 100)
    await expect(Gguf.read(fromBytes(bytes))).rejects.toThrow('ends inside its header')
  })
})

describe('rangeOf and toF32', () => {
  const halves = Uint8Array.of(0x00, 0x3c, 0x00, 0xc0)
  const brain = Uint8Array.of(0x80, 0x3f, 0x00, 0xc0)
  const blocks = new Uint8Array(34).fill(2)
  blocks.set([0x00, 0x38])
  const tensors = [
    { name: 'full', shape: [2], data: Float32Array.of(1, -2) },
    { name: 'half', shape: [2], type: 'F16', bytes: halves },
    { name: 'brain', shape: [2], type: 'BF16', bytes: brain },
    { name: 'eight', shape: [32], type: 'Q8_0', bytes: blocks },
  ] as const
  const bytes = encodeGguf({ metadata: [], tensors })

  test('give the weights of each type that is read', () => {
    const found = Gguf.parse(bytes).tensors.map((tensor) => {
      const { begin, end } = Gguf.rangeOf(tensor)
      return [...new Float32Array(Gguf.toF32(tensor, bytes.subarray(begin, end)).buffer)]
    })
    expect(found).toEqual([[1, -2], [1, -2], [1, -2], Array.from({ length: 32 }, () => 1)])
  })

  test('name a type that is not', () => {
    const tensor = { name: 't', shape: [256], type: 12, offset: 0 }
    expect(Gguf.rangeOf(tensor)).toEqual({ begin: 0, end: 144 })
    expect(() => Gguf.toF32(tensor, new Uint8Array(144))).toThrow('"t" is Q4_K')
    expect(() => Gguf.rangeOf({ ...tensor, type: 99 })).toThrow('unknown type 99')
  })
})

describe('quantisation', () => {
  const of = (metadata: encodeGguf.File['metadata']) =>
    Gguf.quantisation(Gguf.parse(encodeGguf({ ...small(), metadata })))

  test("is the file's own word", () => {
    expect(of([['general.file_type', 'u32', 15]])).toBe('Q4_K_M')
  })

  test('is the type of most weights where the file says nothing we know', () => {
    expect(of([])).toBe('F32')
    expect(of([['general.file_type', 'u32', 4711]])).toBe('F32')
  })
})

describe('text and number', () => {
  test('give values of their type only', () => {
    const gguf = Gguf.parse(encodeGguf(small()))
    expect(Gguf.text(gguf, 'general.architecture')).toBe('llama')
    expect(Gguf.text(gguf, 'general.file_type')).toBeUndefined()
    expect(Gguf.number(gguf, 'general.file_type')).toBe(0)
    expect(Gguf.number(gguf, 'absent')).toBeUndefined()
  })
})
