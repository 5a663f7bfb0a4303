import { describe, expect, test } from 'vitest'
import { tinyDecoder } from '../../../test/exactDecoders.ts'
import { cidOf } from '../encode.ts'
import { decodingGraph } from '../generate/decodingGraph.ts'
import { type Decoder, decoder } from '../models/decoder.ts'
import { reference } from '../reference.ts'
import { drawParameters } from '../train/startRun.ts'
import type { DecoderWeights } from './assembleDecoder.ts'
import { fromBytes } from './ByteSource.ts'
import * as DecoderSafetensors from './DecoderSafetensors.ts'
import * as Safetensors from './Safetensors.ts'

const ports = { backend: reference }
const untied: Decoder = { ...tinyDecoder, feedForward: 'relu-squared', isTied: false, layers: 2 }

async function drawn(of: Decoder): Promise<DecoderWeights> {
  const model = decoder(of)
  return { model, weights: await drawParameters(ports, { ...model, seed: [3, 4] }) }
}

const tied = await drawn(tinyDecoder)
const written = DecoderSafetensors.write(tied)
const { tensors } = Safetensors.read(written.file)

function reading({
  config = written.config,
  files = [tensors],
}: {
  config?: unknown
  files?: readonly (readonly Safetensors.Tensor[])[]
}) {
  const sources = files.map((list) => fromBytes(Safetensors.write({ metadata: {}, tensors: list })))
  return DecoderSafetensors.read(ports, { config, sources })
}

describe('write and read', () => {
  test.each([
    ['SwiGLU, tied', tinyDecoder],
    ['squared ReLU, untied', untied],
  ])('give back every bit, and the same graph: %s', async (_, of) => {
    const before = await drawn(of)
    const { config, file } = DecoderSafetensors.write(before)
    const json: unknown = JSON.parse(JSON.stringify(config))
    const after = await DecoderSafetensors.read(ports, { config: json, sources: [fromBytes(file)] })
    expect(after.weights).toEqual(before.weights)
    expect(after.model.config).toEqual(of)
    expect(cidOf(decodingGraph(after.model))).toBe(cidOf(decodingGraph(before.model)))
  })

  test('name what transformers reads', async () => {
    const { config, file } = DecoderSafetensors.write(await drawn(untied))
    expect(config).toMatchObject({
      architectures: ['ArceeForCausalLM'],
      model_type: 'arcee',
      hidden_act: 'relu2',
      num_key_value_heads: 1,
      head_dim: 4,
      tie_word_embeddings: false,
    })
    const names = Safetensors.read(file).tensors.map(({ name }) => name)
    expect(names).toHaveLength(2 * 8 + 3)
    expect(names).toContain('model.layers.1.mlp.down_proj.weight')
    expect(names).toContain('lm_head.weight')
    expect(written.config).toMatchObject({
      architectures: ['LlamaForCausalLM'],
      hidden_act: 'silu',
    })
  })

  test('read several shards, and leave out old tables of angles', async () => {
    const extra = {
      name: 'model.layers.0.self_attn.rotary_emb.inv_freq',
      dtype: 'F32' as const,
      shape: [2],
      bytes: new Uint8Array(8),
    }
    const files = [tensors.slice(0, 4), [...tensors.slice(4), extra]]
    expect((await reading({ files })).weights).toEqual(tied.weights)
  })

  test('take the head of a tied model when it is the embedding', async () => {
    const embedding = tensors.find(({ name }) => name === 'model.embed_tokens.weight')!
    const head = { ...embedding, name: 'lm_head.weight' }
    expect((await reading({ files: [[...tensors, head]] })).weights).toEqual(tied.weights)
    const other = { ...head, bytes: head.bytes.with(7, 1) }
    await expect(reading({ files: [[...tensors, other]] })).rejects.toThrow('but they differ')
  })

  test('widen BF16', async () => {
    const halves = tensors.map((tensor) => ({
      ...tensor,
      dtype: 'BF16' as const,
      bytes: tensor.bytes.filter((_, index) => index % 4 >= 2),
    }))
    const { weights } = await reading({ files: [halves] })
    const expected = tied.weights[0]!.map((byte, index) => (index % 4 < 2 ? 0 : byte))
    expect(weights[0]).toEqual(expected)
  })
})

describe('configFrom', () => {
  const config = (change: object) => () =>
    DecoderSafetensors.configFrom({ ...written.config, ...change })

  test('takes what is left to be understood, and both forms of rotary parameters', () => {
    const { num_key_value_heads: _, head_dim: __, rope_theta: ___, ...rest } = written.config
    const found = DecoderSafetensors.configFrom(rest)
    expect(found).toMatchObject({ keyHeads: 2, headSize: 4, rotaryBase: 10_000 })
    const parameters = { rope_type: 'default', rope_theta: 5e5 }
    expect(config({ rope_parameters: parameters })().rotaryBase).toBe(5e5)
  })

  test.each([
    ['another model', { model_type: 'mistral' }, /"mistral"/],
    ['another activation', { hidden_act: 'gelu' }, /"gelu", not silu/],
    ['biases', { attention_bias: true }, /attention_bias/],
    ['scaled angles', { rope_scaling: { rope_type: 'llama3', factor: 8 } }, /"llama3"/],
    ['scaled angles of old', { rope_scaling: { type: 'linear' } }, /"linear"/],
    ['a list for angles', { rope_scaling: [1] }, /record of fields/],
    ['no epsilon', { rms_norm_eps: undefined }, /lacks the number rms_norm_eps/],
    ['a text for a size', { vocab_size: '128' }, /lacks the number vocab_size/],
    ['half a size', { head_dim: 4.5 }, /headSize is 4.5/],
    ['a size past all bounds', { hidden_size: 2 ** 40 }, /width is 1099511627776/],
    ['a negative size', { num_hidden_layers: -1 }, /layers is -1/],
    ['an infinite base', { rope_theta: 1e300 }, /rotary angles is 1e\+300/],
    ['a large epsilon', { rms_norm_eps: 2 }, /epsilon/],
  ])('refuses %s', (_what, change, message) => {
    expect(config(change)).toThrow(message)
  })

  test.each([undefined, null, [], 'llama'])('refuses %j', (json) => {
    expect(() => DecoderSafetensors.configFrom(json)).toThrow('record of fields')
  })
})

describe('read', () => {
  test.each([
    ['a shard twice', { files: [tensors, tensors.slice(0, 1)] }, /two of its shards/],
    ['a tensor missing', { files: [tensors.slice(1)] }, /lacks /],
    ['another shape', { config: { ...written.config, intermediate_size: 13 } }, /by its configur/],
    ['heads that cannot share', { config: { ...written.config, num_key_value_heads: 3 } }, /share/],
    [
      'integers',
      {
        files: [
          tensors.with(0, { ...tensors[0]!, dtype: 'I32', bytes: tensors[0]!.bytes }),
        ] as const,
      },
      /give weights as F32/,
    ],
  ])('refuses %s', async (_what, change, message) => {
    await expect(reading(change)).rejects.toThrow(message)
  })

  test('refuses a file that is cut', async () => {
    const sources = [fromBytes(written.file.subarray(0, -1))]
    const read = DecoderSafetensors.read(ports, { config: written.config, sources })
    await expect(read).rejects.toThrow('lies outside the file')
  })
})
