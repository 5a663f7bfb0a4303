import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { codeOf } from '../runtime/Errors.ts'
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

describe('encodeGguf', () => {
  test('writes what parse reads', () => {
    const { version, metadata, tensors } = Gguf.parse(encodeGguf(small()))
    expect(version).toBe(3)
    expect(Object.fromEntries(metadata)).toEqual({
      'general.architecture': 'llama',
      'general.file_type': 0,
      'llama.rope.freq_base': 0.5,
      'tokenizer.ggml.add_bos_token': true,
      'tokenizer.ggml.tokens': ['a', 'ä', ''],
      'tokenizer.ggml.token_type': [1, -1, 3],
    })
    expect(tensors.map(({ name, shape, type }) => ({ name, shape, type }))).toEqual([
      { name: 'one', shape: [3], type: 0 },
      { name: 'two', shape: [2, 2], type: 0 },
    ])
  })

  test('puts the weights where the header says, aligned', () => {
    const bytes = encodeGguf(small())
    const { tensors } = Gguf.parse(bytes)
    const view = new DataView(bytes.buffer)
    expect(tensors.map(({ offset }) => offset % 32)).toEqual([0, 0])
    expect(tensors.map(({ offset }) => view.getFloat32(offset, true))).toEqual([1, 4])
  })

  test('refuses a shape that does not hold its weights', () => {
    const tensors = [{ name: 'bad', shape: [3], data: new Float32Array(2) }]
    expect(() => encodeGguf({ metadata: [], tensors })).toThrow('bad')
  })
})

describe('parse', () => {
  const text = (key: string) => [key, 8, 'x'] as const
  const tensor = (name: string, shape: readonly bigint[], type: number, offset: bigint) =>
    [name, shape.length, ...shape, type, offset] as const
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

  test('takes any bytes without failing in another way', () => {
    const valid = encodeGguf(small())
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat({ max: valid.length - 1 }), fc.nat({ max: 255 })), {
          minLength: 1,
          maxLength: 8,
        }),
        (changes) => {
          const bytes = valid.slice()
          for (const [at, value] of changes) bytes[at] = value
          reasonOf(bytes)
        },
      ),
      { numRuns: 2000 },
    )
  })

  test('keeps large integers exact', () => {
    const entry = (value: bigint) => header(magic, 3, 0n, 1n, 'k', 10, value)
    expect(Gguf.parse(entry(5n)).metadata.get('k')).toBe(5)
    expect(Gguf.parse(entry((1n << 63n) + 1n)).metadata.get('k')).toBe((1n << 63n) + 1n)
  })
})

describe('read', () => {
  test('reads a header that is longer than one piece', async () => {
    const path = join(await mkdtemp(join(tmpdir(), 'weft-gguf-')), 'long.gguf')
    const tokens = Array.from({ length: 200_000 }, (_, i) => `token number ${i}`)
    const { tensors } = small()
    const metadata = [['tokens', 'strings', tokens]] as const
    await writeFile(path, encodeGguf({ metadata, tensors }))
    const gguf = await Gguf.read(path)
    expect(gguf.metadata.get('tokens')).toHaveLength(200_000)
    expect(gguf.tensors).toHaveLength(2)
  })

  test('says which file is wrong, and what to do', async () => {
    const error = await Gguf.read('/nowhere/model.gguf').catch((e: unknown) => e)
    expect(codeOf(error)).toBe('Gguf.InvalidError')
    expect((error as Error).message).toMatch(/File: \/nowhere\/model.gguf[^]*Fix: /)
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
