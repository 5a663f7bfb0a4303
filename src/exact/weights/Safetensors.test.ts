import { describe, expect, test } from 'vitest'
import * as Safetensors from './Safetensors.ts'

const { read, write, toF32, SafetensorsError } = Safetensors

const floats = new Uint8Array(Float32Array.of(1, -2, 0.5, 4, 5, 6).buffer)
const weights: Safetensors.Tensor = { name: 'w', dtype: 'F32', shape: [2, 3], bytes: floats }
const codes: Safetensors.Tensor = {
  name: 'q',
  dtype: 'I8',
  shape: [3],
  bytes: Uint8Array.of(1, 2, 3),
}

/** A file with this header, whatever it says, and this many bytes after it. */
function file(header: string | object, dataBytes = 24): Uint8Array {
  const text = typeof header === 'string' ? header : JSON.stringify(header)
  const bytes = new TextEncoder().encode(text)
  const result = new Uint8Array(8 + bytes.length + dataBytes)
  new DataView(result.buffer).setBigUint64(0, BigInt(bytes.length), true)
  result.set(bytes, 8)
  return result
}

const good = { dtype: 'F32', shape: [2, 3], data_offsets: [0, 24] }

describe('write', () => {
  test('writes a file byte for byte, aligned, wider types first', () => {
    const bytes = write({ metadata: { format: 'pt' }, tensors: [codes, weights] })
    const header =
      '{"__metadata__":{"format":"pt"},' +
      '"w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},' +
      '"q":{"dtype":"I8","shape":[3],"data_offsets":[24,27]}}'
    const start = Math.ceil((8 + header.length) / 8) * 8
    const text = new TextDecoder().decode(bytes.subarray(8, start))
    expect(text).toBe(header.padEnd(start - 8, ' '))
    expect(new DataView(bytes.buffer).getBigUint64(0, true)).toBe(BigInt(start - 8))
    expect(bytes.subarray(start)).toEqual(Uint8Array.of(...floats, 1, 2, 3))
  })

  test('refuses what it could not read', () => {
    const attempt = (...tensors: Safetensors.Tensor[]) => write({ metadata: {}, tensors })
    expect(() => attempt(weights, weights)).toThrow('two tensors have one name')
    expect(() => attempt({ ...weights, shape: [2, 2] })).toThrow('"w" has 24 bytes')
    for (const name of ['', '__metadata__', 'n'.repeat(1025)])
      expect(() => attempt({ ...weights, name })).toThrow('needs a name')
  })
})

describe('read', () => {
  test('gives back what was written', () => {
    for (const tensors of [[], [weights], [weights, codes], [{ ...weights, name: '__proto__' }]]) {
      const weightsFile = { metadata: { format: 'pt', note: 'a "b": c' }, tensors }
      expect(read(write(weightsFile))).toEqual(weightsFile)
    }
    expect(read(write({ metadata: {}, tensors: [weights] })).metadata).toEqual({})
  })

  test('takes tensors of no elements and of no axes', () => {
    const empty = { dtype: 'F32', shape: [0, 9], data_offsets: [4, 4] }
    const scalar = { dtype: 'F32', shape: [], data_offsets: [0, 4] }
    expect(read(file({ empty, scalar }, 4)).tensors.map(({ bytes }) => bytes.length)).toEqual([
      0, 4,
    ])
  })

  test.each<[string, Uint8Array, string]>([
    ['no bytes', new Uint8Array(0), 'shorter than 8'],
    ['a header past the end', file({ w: good }).subarray(0, 40), 'ends within its header'],
    ['a huge header', new Uint8Array(16).fill(255), 'more than 16777216'],
    ['a header that is not JSON', file('{"w":'), 'not JSON'],
    ['a header that is not UTF-8', file({ w: good }).with(9, 0xff), 'not UTF-8'],
    ['a header of another sort', file('[]'), 'not a JSON object'],
    ['space before the header', file(` ${JSON.stringify({ w: good })}`), 'not a JSON object'],
    ['a nested header', file('['.repeat(100_000) + ']'.repeat(100_000)), 'not a JSON object'],
    ['a name twice', file(`{"w":${JSON.stringify(good)},"w":${JSON.stringify(good)}}`), 'twice'],
    [
      'a name twice, written otherwise',
      file(`{"w":${JSON.stringify(good)},"\\u0077":${JSON.stringify(good)}}`),
      'twice',
    ],
    [
      'a field twice',
      file('{"w":{"dtype":"F32","shape":[6],"shape":[2,3],"data_offsets":[0,24]}}'),
      'twice',
    ],
    [
      'a shape that is an object',
      file({ w: { ...good, shape: { length: 2 } } }),
      'not a list of sizes',
    ],
    ['another field', file({ w: { ...good, more: 1 } }), 'needs a dtype'],
    ['a missing field', file({ w: { dtype: 'F32', shape: [6] } }), 'needs a dtype'],
    ['an unknown type', file({ w: { ...good, dtype: 'toString' } }), 'none of F64'],
    ['a negative size', file({ w: { ...good, shape: [-2, -3] } }), 'not a list of sizes'],
    ['a fraction', file({ w: { ...good, shape: [1.5, 4] } }), 'not a list of sizes'],
    [
      'too many axes',
      file({ w: { ...good, shape: Array.from({ length: 17 }, () => 1) } }),
      'not a list',
    ],
    [
      'a shape past all numbers',
      file({ w: { ...good, shape: [2 ** 50, 2 ** 50] } }),
      'as its shape takes',
    ],
    [
      'a shape that overflows to zero',
      file({ w: { ...good, shape: [2 ** 32, 2 ** 32], data_offsets: [0, 0] } }, 0),
      'as its shape takes',
    ],
    ['a range past the end', file({ w: good }, 23), 'cut short'],
    ['a range backwards', file({ w: { ...good, data_offsets: [24, 0] } }), 'outside the file'],
    ['one offset', file({ w: { ...good, data_offsets: [24] } }), 'two data_offsets'],
    [
      'ranges that overlap',
      file({ a: good, b: { ...good, data_offsets: [12, 36] } }, 36),
      '"b" overlaps',
    ],
    ['a range twice', file({ a: good, b: good }), '"b" overlaps'],
    ['a gap', file({ w: { ...good, data_offsets: [1, 25] } }, 25), 'leaves a gap'],
    ['bytes of no tensor', file({ w: good }, 25), 'belong to no tensor'],
    ['metadata that is not text', file({ __metadata__: { a: {} }, w: good }), 'more than text'],
    ['metadata that is a list', file({ __metadata__: [], w: good }), 'not an object'],
    ['a tensor without a name', file({ '': good }), 'needs a name'],
  ])('refuses %s', (_what, bytes, reason) => {
    expect(() => read(bytes)).toThrow(SafetensorsError)
    expect(() => read(bytes)).toThrow(reason)
  })
})

describe('readHeader', () => {
  test('says where tensors are in a file that is not in memory', () => {
    const bytes = write({ metadata: {}, tensors: [weights, codes] })
    const start = Safetensors.headerBytes(bytes)
    const head = bytes.subarray(0, start)
    const { entries } = Safetensors.readHeader(head, { fileBytes: bytes.length })
    expect(entries.map(({ name, begin, end }) => [name, begin - start, end - start])).toEqual([
      ['w', 0, 24],
      ['q', 24, 27],
    ])
    const short = () => Safetensors.readHeader(head.subarray(0, -1), { fileBytes: bytes.length })
    expect(short).toThrow(`its header takes ${start} bytes`)
  })
})

describe('toF32', () => {
  const tensor = (dtype: Safetensors.DType, bytes: Uint8Array) =>
    new Uint32Array(toF32({ name: 'w', dtype, shape: [bytes.length], bytes }).buffer)

  test('copies F32', () => {
    const copy = toF32(weights)
    expect(copy).toEqual(floats)
    expect(copy.buffer).not.toBe(floats.buffer)
  })

  test('widens every BF16', () => {
    const all = Uint16Array.from({ length: 65_536 }, (_, bits) => bits)
    const wide = tensor('BF16', new Uint8Array(all.buffer))
    expect(wide.every((bits, index) => bits === (index << 16) >>> 0)).toBe(true)
  })

  test('widens every F16 to the number that it is', () => {
    const all = Uint16Array.from({ length: 65_536 }, (_, bits) => bits)
    const wide = new Float32Array(tensor('F16', new Uint8Array(all.buffer)).buffer)
    const wrong = [...wide.entries()].filter(([bits, value]) => !Object.is(value, half(bits)))
    expect(wrong).toEqual([])
  })

  test('refuses integers', () => {
    expect(() => toF32(codes)).toThrow('give weights as F32, F16 or BF16')
  })
})

/** A binary16 by its definition. */
function half(bits: number): number {
  const sign = bits >>> 15 ? -1 : 1
  const [exponent, fraction] = [(bits >>> 10) & 31, bits & 1023]
  if (exponent === 31) return fraction ? Number.NaN : sign * Infinity
  return sign * (exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24)
}
