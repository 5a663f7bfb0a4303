import { describe, expect, test } from 'vitest'
import { allIn, floats, tinyDecoder } from '../../../test/exactDecoders.ts'
import { cidOf } from '../encode.ts'
import { decodingGraph } from '../generate/decodingGraph.ts'
import { type Decoder, decoder } from '../models/decoder.ts'
import { reference } from '../reference.ts'
import { drawParameters } from '../train/startRun.ts'
import type { DecoderWeights } from './assembleDecoder.ts'
import { fromBytes } from './ByteSource.ts'
import * as DecoderGguf from './DecoderGguf.ts'
import { encodeGguf } from './encodeGguf.ts'
import * as Gguf from './Gguf.ts'

const ports = { backend: reference }
const config: Decoder = { ...tinyDecoder, width: 32, heads: 4, keyHeads: 2, headSize: 8, layers: 2 }
const arcee: Decoder = { ...config, feedForward: 'relu-squared', isTied: false }

async function drawn(of: Decoder): Promise<DecoderWeights> {
  const model = decoder(of)
  return { model, weights: await drawParameters(ports, { ...model, seed: [3, 4] }) }
}

function written(of: DecoderWeights, options?: DecoderGguf.write.Options): Uint8Array {
  return Uint8Array.from(Buffer.concat([...DecoderGguf.write(of, options)]))
}

/** The tensors and entries of a file, to write another that differs in one. */
function partsOf(bytes: Uint8Array) {
  const { metadata, tensors } = Gguf.parse(bytes)
  const entries = [...metadata].flatMap(([key, value]): encodeGguf.Entry[] => {
    if (typeof value === 'string') return [[key, 'string', value]]
    if (typeof value !== 'number') return []
    return [[key, /epsilon|freq_base/.test(key) ? 'f32' : 'u32', value]]
  })
  const stored = tensors.map((tensor): encodeGguf.Tensor => {
    const { begin, end } = Gguf.rangeOf(tensor)
    const { name, shape } = tensor
    return { name, shape, type: 'F32', bytes: bytes.subarray(begin, end) }
  })
  return { entries, stored }
}

describe('write and read', () => {
  test.each([
    ['SwiGLU, tied', config],
    ['squared ReLU, untied', arcee],
    ['heads wider than the model', { ...config, headSize: 12 }],
  ])('give back every bit, and the same graph: %s', async (_, of) => {
    const before = await drawn(of)
    const after = await DecoderGguf.read(ports, fromBytes(written(before)))
    expect(after.weights).toEqual(before.weights)
    expect(cidOf(decodingGraph(after.model))).toBe(cidOf(decodingGraph(before.model)))
  })

  test('names tensors as llama.cpp does, each row its inputs', async () => {
    const { metadata, tensors } = Gguf.parse(written(await drawn(arcee), { name: 'A test' }))
    const shapes = Object.fromEntries(tensors.map(({ name, shape }) => [name, shape]))
    expect(shapes).toMatchObject({
      'token_embd.weight': [32, 128],
      'blk.0.attn_norm.weight': [32],
      'blk.1.attn_k.weight': [32, 16],
      'blk.1.ffn_up.weight': [32, 12],
      'blk.1.ffn_down.weight': [12, 32],
      'output_norm.weight': [32],
      'output.weight': [32, 128],
    })
    expect(shapes).not.toHaveProperty(['blk.0.ffn_gate.weight'])
    expect(metadata.get('general.architecture')).toBe('arcee')
    expect(metadata.get('general.name')).toBe('A test')
    expect(metadata.get('arcee.attention.head_count_kv')).toBe(2)
  })

  test('puts the halves of a rotated head side by side', async () => {
    const before = await drawn(config)
    const bytes = written(before)
    const { tensors } = Gguf.parse(bytes)
    const rows = (name: string) => {
      const { begin, end } = Gguf.rangeOf(tensors.find((tensor) => tensor.name === name)!)
      const all = floats(bytes.slice(begin, end))
      return Array.from({ length: all.length / 32 }, (_, row) => all.slice(row * 32, row * 32 + 32))
    }
    const at = before.model.parameters.findIndex(({ slot }) =>
      JSON.stringify(slot.op).includes('layers.0.self_attn.k_proj'),
    )
    const ours = floats(before.weights[at]!)
    const found = rows('blk.0.attn_k.weight').map((row) => ours.indexOf(row[0]!) / 32)
    expect(found).toEqual([0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15])
  })

  test('store matrices as Q8_0 where rows are whole blocks', async () => {
    const before = await drawn({ ...config, hidden: 12 })
    const bytes = written(before, { type: 'Q8_0' })
    const types = Gguf.parse(bytes).tensors.map(({ name, type }) => [name, type])
    expect(Object.fromEntries(types)).toMatchObject({
      'token_embd.weight': 8,
      'blk.0.attn_q.weight': 8,
      'blk.0.attn_norm.weight': 0,
      'blk.0.ffn_down.weight': 0,
    })
    const after = await DecoderGguf.read(ports, fromBytes(bytes))
    after.weights.forEach((found, index) => {
      const [a, b] = [floats(found), floats(before.weights[index]!)]
      const largest = Math.max(...b.map(Math.abs))
      a.forEach((value, i) => expect(Math.abs(value - b[i]!)).toBeLessThan(largest * 0.0045))
    })
    // What was read is what Q8_0 can say: writing it again loses nothing more.
    expect(written(after, { type: 'Q8_0' }).length).toBe(bytes.length)
  })

  test('names bytes, a start, an end and fillers', async () => {
    const tokens = async (vocabulary: number) => {
      const { metadata } = Gguf.parse(written(await drawn({ ...config, vocabulary })))
      const list = metadata.get('tokenizer.ggml.tokens') as readonly string[]
      return {
        last: list.slice(-2),
        count: list.length,
        end: metadata.get('tokenizer.ggml.eos_token_id'),
      }
    }
    expect(await tokens(256)).toEqual({ last: ['þ', 'ÿ'], count: 256, end: 0 })
    expect(await tokens(258)).toEqual({ last: ['<s>', '</s>'], count: 258, end: 257 })
    expect(await tokens(260)).toMatchObject({ last: ['<unused-0>', '<unused-1>'] })
  })

  test('limit the positions and choose profiles', async () => {
    const bytes = written(await drawn(config))
    const options = { positions: 5, profiles: allIn('i8') }
    const { model } = await DecoderGguf.read(ports, fromBytes(bytes), options)
    expect(model.config).toMatchObject({ positions: 5, profiles: allIn('i8') })
  })
})

describe('read', async () => {
  const good = partsOf(written(await drawn(config)))
  const reading = (change: {
    entries?: readonly encodeGguf.Entry[]
    stored?: readonly encodeGguf.Tensor[]
  }) => {
    const { entries, stored } = { ...good, ...change }
    const bytes = encodeGguf({ metadata: entries, tensors: stored })
    return DecoderGguf.read(ports, fromBytes(bytes))
  }
  const withEntry = (...entry: encodeGguf.Entry) => ({
    entries: [...good.entries.filter(([key]) => key !== entry[0]), entry],
  })
  const norm = good.stored[1]!

  test('takes what is left to be understood', async () => {
    const dispensable = /head_count_kv|key_length|value_length|dimension_count|freq_base|vocab_size/
    const entries = good.entries.filter(([key]) => !dispensable.test(key))
    const { model } = await reading({
      entries: [...entries, ['llama.attention.head_count_kv', 'u32', 2]],
    })
    expect(model.config).toMatchObject({ ...config, epsilon: Math.fround(1e-5) })
  })

  test.each([
    ['another architecture', withEntry('general.architecture', 'string', 'mamba'), /"mamba"/],
    ['scaled angles', withEntry('llama.rope.scaling.type', 'string', 'yarn'), /rotary angles/],
    ['experts', withEntry('llama.expert_count', 'u32', 8), /experts/],
    ['no layers', withEntry('llama.block_count', 'u32', 0), /layers is 0/],
    ['too many layers', withEntry('llama.block_count', 'u32', 2 ** 31), /layers is 2147483648/],
    ['another number of layers', withEntry('llama.block_count', 'u32', 3), /lacks model.layers.2/],
    ['fewer layers', withEntry('llama.block_count', 'u32', 1), /layers.1.*does not use/],
    ['another width', withEntry('llama.feed_forward_length', 'u32', 16), /by its configuration/],
    [
      'half a head',
      withEntry('llama.attention.head_count', 'u32', 3),
      /headSize is 8|cannot share/,
    ],
    ['a part of a head', withEntry('llama.rope.dimension_count', 'u32', 4), /different sizes/],
    ['a text for a number', withEntry('llama.block_count', 'string', '2'), /lacks the number/],
    ['NaN', withEntry('llama.rope.freq_base', 'f32', Number.NaN), /rotary angles is NaN/],
    ['a tensor missing', { stored: good.stored.toSpliced(1, 1) }, /lacks model.layers.0.input/],
    [
      'a bias',
      { stored: [...good.stored, { ...norm, name: 'blk.0.attn_q.bias' }] },
      /attn_q.bias.*does not use/,
    ],
    [
      'a number with zeros before it',
      { stored: good.stored.with(1, { ...norm, name: 'blk.00.attn_norm.weight' }) },
      /does not use/,
    ],
  ] as const)('refuses %s', async (_what, change, message) => {
    const error = await reading(change).catch((cause: unknown) => cause)
    expect((error as Error).message).toMatch(message)
    expect(error).toHaveProperty('code', 'Exact.DecoderFileError')
  })

  test('refuses a type of weights that it does not compute', async () => {
    const bytes = written(await drawn({ ...config, width: 256, vocabulary: 16 }), { type: 'Q8_0' })
    const changed = bytes.slice()
    // The first Q8_0 tensor becomes Q8_K, which is no longer than what stands there.
    const view = new DataView(changed.buffer)
    const name = new TextEncoder().encode('token_embd.weight')
    const at = changed.findIndex((_, index) => name.every((byte, i) => changed[index + i] === byte))
    view.setUint32(at + name.length + 4 + 16, 10, true)
    await expect(DecoderGguf.read(ports, fromBytes(changed))).rejects.toThrow('is Q2_K')
  })
})
