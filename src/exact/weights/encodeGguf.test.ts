import { describe, expect, test } from 'vitest'
import { encodeGguf, encodeGgufChunks } from './encodeGguf.ts'
import * as Gguf from './Gguf.ts'

const file: encodeGguf.File = {
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
    { name: 'two', shape: [32, 2], type: 'Q8_0', bytes: new Uint8Array(68).fill(7) },
    { name: 'three', shape: [1, 1], type: 'BF16', bytes: Uint8Array.of(1, 2) },
  ],
}

describe('encodeGguf', () => {
  test('writes what parse reads', () => {
    const { version, metadata, tensors } = Gguf.parse(encodeGguf(file))
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
      { name: 'two', shape: [32, 2], type: 8 },
      { name: 'three', shape: [1, 1], type: 30 },
    ])
  })

  test('puts the weights where the header says, aligned', () => {
    const bytes = encodeGguf(file)
    const { tensors } = Gguf.parse(bytes)
    expect(tensors.map(({ offset }) => offset % 32)).toEqual([0, 0, 0])
    expect(new DataView(bytes.buffer).getFloat32(tensors[0]!.offset + 4, true)).toBe(2)
    expect([...bytes.slice(tensors[1]!.offset).subarray(0, 69)]).toEqual([
      ...new Uint8Array(68).fill(7),
      0,
    ])
  })

  test.each([
    { name: 'bad', shape: [3], data: new Float32Array(2) },
    { name: 'bad', shape: [], data: new Float32Array(1) },
    { name: 'bad', shape: [16, 2], type: 'Q8_0', bytes: new Uint8Array(34) },
    { name: 'bad', shape: [32], type: 'Q8_0', bytes: new Uint8Array(33) },
  ] as const)('refuses a shape that does not hold its weights: $shape', (tensor) => {
    expect(() => encodeGguf({ metadata: [], tensors: [tensor] })).toThrow('bad')
  })
})

describe('encodeGgufChunks', () => {
  test('gives the same bytes in pieces, weights as they are', () => {
    const chunks = [...encodeGgufChunks(file)]
    expect(Buffer.concat(chunks)).toEqual(Buffer.from(encodeGguf(file)))
    const two = file.tensors[1] as encodeGguf.Stored
    expect(chunks).toContain(two.bytes)
  })
})
