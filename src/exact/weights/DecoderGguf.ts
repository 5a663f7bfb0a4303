import type { Backend } from '../Backend.ts'
import type { Decoder } from '../models/decoder.ts'
import {
  assembleDecoder,
  checkDecoder,
  DecoderFileError,
  type DecoderWeights,
  type LoadOptions,
  quoted,
  type StoredTensor,
  trainedOf,
} from './assembleDecoder.ts'
import type { ByteSource } from './ByteSource.ts'
import { letters } from './byteVocabulary.ts'
import { type encodeGguf, encodeGgufChunks } from './encodeGguf.ts'
import * as Gguf from './Gguf.ts'
import * as Q8 from './Q8.ts'

/**
 * Reads a decoder from a GGUF file, as llama.cpp's converter writes it. F32, F16, BF16 and Q8_0 are read;
 * the last becomes the f32 that it stands for.
 *
 * @throws {DecoderFileError} when the model is of another sort.
 * @throws {Gguf.InvalidError} when the file is not sound, or quantised in another way.
 */
export async function read(
  ports: { readonly backend: Backend },
  source: ByteSource,
  options?: LoadOptions,
): Promise<DecoderWeights> {
  const gguf = await Gguf.read(source)
  const config = configFrom(gguf)
  const tensors = new Map<string, StoredTensor>()
  for (const tensor of gguf.tensors) {
    const name = huggingFaceName(tensor.name)
    if (name === undefined)
      throw new DecoderFileError(
        `It has ${quoted(tensor.name)}, which a decoder of this sort does not use.`,
      )
    const shape = tensor.shape.toReversed()
    tensors.set(name, {
      shape,
      async read() {
        const { begin, end } = Gguf.rangeOf(tensor)
        const bytes = Gguf.toF32(tensor, await source.read(begin, end))
        return isRotated(name) ? inHalves(bytes, rowsOf(config, shape)) : bytes
      },
    })
  }
  return assembleDecoder(ports, { config, tensors }, options)
}

/**
 * A decoder as a GGUF file, piece by piece: llama.cpp runs it, as `llama` or as `arcee`.
 *
 * @param options.type how matrices are stored whose rows are whole blocks; everything else is F32.
 * @param options.tokenizer entries `tokenizer.*` of the metadata. By default tokens are bytes; those past
 * 256 are a start, an end, and fillers.
 */
export function* write(
  decoder: DecoderWeights,
  { type = 'F32', name, tokenizer }: write.Options = {},
): Generator<Uint8Array> {
  const { config } = decoder.model
  const architecture = config.feedForward === 'swiglu' ? 'llama' : 'arcee'
  const tensors = trainedOf(decoder).map((tensor) => storedOf(config, tensor, type))
  yield* encodeGgufChunks({
    metadata: [
      ['general.architecture', 'string', architecture],
      ...(name === undefined ? [] : ([['general.name', 'string', name]] as const)),
      ['general.file_type', 'u32', type === 'F32' ? 0 : 7],
      ...sizesOf(config).map(
        ([key, kind, value]) => [`${architecture}.${key}`, kind, value] as const,
      ),
      ...(tokenizer ?? byteTokens(config.vocabulary)),
    ],
    tensors,
  })
}

export declare namespace write {
  type Options = {
    type?: 'F32' | 'Q8_0' | undefined
    name?: string | undefined
    tokenizer?: readonly encodeGguf.Entry[] | undefined
  }
}

/**
 * The sizes of a decoder from what a GGUF file says.
 *
 * @throws {DecoderFileError} when it is no Llama or Arcee, or has a part that this engine lacks.
 */
export function configFrom(gguf: Gguf.Gguf): Decoder {
  const architecture = Gguf.text(gguf, 'general.architecture')
  if (architecture !== 'llama' && architecture !== 'arcee')
    throw new DecoderFileError(`Its architecture is ${quoted(architecture ?? 'not named')}.`)
  const size = (key: string, usual?: number) => {
    const value = gguf.metadata.get(`${architecture}.${key}`) ?? usual
    if (typeof value === 'number') return value
    throw new DecoderFileError(`Its metadata lacks the number ${architecture}.${key}.`)
  }
  const scaling = gguf.metadata.get(`${architecture}.rope.scaling.type`) ?? 'none'
  if (scaling !== 'none') throw new DecoderFileError('It scales its rotary angles.')
  if (size('expert_count', 0) > 0) throw new DecoderFileError('It mixes experts.')
  const [width, heads] = [size('embedding_length'), size('attention.head_count')]
  const headSize = size('attention.key_length', width / heads)
  const others = [size('attention.value_length', headSize), size('rope.dimension_count', headSize)]
  if (others.some((each) => each !== headSize))
    throw new DecoderFileError('Its keys, values and rotary angles are of different sizes.')
  const embedding = gguf.tensors.find((tensor) => tensor.name === 'token_embd.weight')
  return checkDecoder({
    vocabulary: embedding?.shape[1] ?? size('vocab_size'),
    width,
    layers: size('block_count'),
    heads,
    keyHeads: size('attention.head_count_kv', heads),
    headSize,
    hidden: size('feed_forward_length'),
    feedForward: architecture === 'llama' ? 'swiglu' : 'relu-squared',
    positions: size('context_length'),
    rotaryBase: size('rope.freq_base', 10_000),
    epsilon: size('attention.layer_norm_rms_epsilon'),
    isTied: gguf.tensors.every((tensor) => tensor.name !== 'output.weight'),
    profiles: { attention: 'f32', feedForward: 'f32', head: 'f32' },
  })
}

function sizesOf(config: Decoder) {
  return [
    ['context_length', 'u32', config.positions],
    ['embedding_length', 'u32', config.width],
    ['block_count', 'u32', config.layers],
    ['feed_forward_length', 'u32', config.hidden],
    ['attention.head_count', 'u32', config.heads],
    ['attention.head_count_kv', 'u32', config.keyHeads],
    ['attention.key_length', 'u32', config.headSize],
    ['attention.value_length', 'u32', config.headSize],
    ['attention.layer_norm_rms_epsilon', 'f32', config.epsilon],
    ['rope.dimension_count', 'u32', config.headSize],
    ['rope.freq_base', 'f32', config.rotaryBase],
    ['vocab_size', 'u32', config.vocabulary],
  ] as const
}

/** Bytes by the letters of a byte-level vocabulary. A model of bytes alone ends a text with the byte 0. */
function byteTokens(vocabulary: number): encodeGguf.Entry[] {
  const [start, end] = vocabulary >= 258 ? [256, 257] : [0, 0]
  const fillers = Array.from({ length: Math.max(0, vocabulary - 258) }, (_, i) => `<unused-${i}>`)
  const tokens = [...letters, '<s>', '</s>', ...fillers].slice(0, vocabulary)
  // llama.cpp's numbers: normal, control, unused.
  const kinds = tokens.map((_, token) => (token < 256 ? 1 : token < 258 ? 3 : 5))
  return [
    ['tokenizer.ggml.model', 'string', 'gpt2'],
    ['tokenizer.ggml.pre', 'string', 'gpt-2'],
    ['tokenizer.ggml.tokens', 'strings', tokens],
    ['tokenizer.ggml.token_type', 'i32s', kinds],
    ['tokenizer.ggml.merges', 'strings', []],
    ['tokenizer.ggml.bos_token_id', 'u32', start],
    ['tokenizer.ggml.eos_token_id', 'u32', end],
    ['tokenizer.ggml.add_bos_token', 'bool', false],
  ]
}

type Trained = ReturnType<typeof trainedOf>[number]

function storedOf(config: Decoder, { name, shape, bytes }: Trained, type: 'F32' | 'Q8_0') {
  const isQuantised = type === 'Q8_0' && shape.length > 1 && shape.at(-1)! % Q8.block.weights === 0
  const rows = isRotated(name) ? inPairs(bytes, rowsOf(config, shape)) : bytes
  return {
    name: llamaCppName(name),
    shape: shape.toReversed(),
    type: isQuantised ? ('Q8_0' as const) : ('F32' as const),
    bytes: isQuantised ? Q8.quantise(rows) : rows,
  }
}

/** Hugging Face's names within a layer, and llama.cpp's. */
const layerNames = [
  ['input_layernorm', 'attn_norm'],
  ['self_attn.q_proj', 'attn_q'],
  ['self_attn.k_proj', 'attn_k'],
  ['self_attn.v_proj', 'attn_v'],
  ['self_attn.o_proj', 'attn_output'],
  ['post_attention_layernorm', 'ffn_norm'],
  ['mlp.gate_proj', 'ffn_gate'],
  ['mlp.up_proj', 'ffn_up'],
  ['mlp.down_proj', 'ffn_down'],
] as const

const otherNames = [
  ['model.embed_tokens.weight', 'token_embd.weight'],
  ['model.norm.weight', 'output_norm.weight'],
  ['lm_head.weight', 'output.weight'],
] as const

function llamaCppName(name: string): string {
  const [, layer, part] = /^model\.layers\.(\d+)\.(.+)\.weight$/.exec(name) ?? []
  const found = layerNames.find(([ours]) => ours === part)
  if (found) return `blk.${layer}.${found[1]}.weight`
  return otherNames.find(([ours]) => ours === name)?.[1] ?? name
}

function huggingFaceName(name: string): string | undefined {
  const [, layer, part] = /^blk\.(0|[1-9]\d{0,3})\.(.+)\.weight$/.exec(name) ?? []
  const found = layerNames.find(([, theirs]) => theirs === part)
  if (found) return `model.layers.${layer}.${found[0]}.weight`
  return otherNames.find(([, theirs]) => theirs === name)?.[0]
}

/** llama.cpp turns neighbouring elements of a head together, Hugging Face element i and i + half. */
function isRotated(name: string): boolean {
  return /\.self_attn\.[qk]_proj\.weight$/.test(name)
}

type Rows = { readonly headSize: number; readonly rowBytes: number }

function rowsOf({ headSize }: Decoder, shape: readonly number[]): Rows {
  return { headSize, rowBytes: (shape.at(-1) ?? 1) * 4 }
}

/** From halves to pairs: row 2 i + j of a head is row j * half + i of Hugging Face's. */
function inPairs(bytes: Uint8Array, { headSize, rowBytes }: Rows): Uint8Array {
  const half = headSize / 2
  return reordered(bytes, { headSize, rowBytes }, (row) => (row % 2) * half + (row >> 1))
}

function inHalves(bytes: Uint8Array, { headSize, rowBytes }: Rows): Uint8Array {
  const half = headSize / 2
  return reordered(bytes, { headSize, rowBytes }, (row) => (row % half) * 2 + (row < half ? 0 : 1))
}

function reordered(
  bytes: Uint8Array,
  { headSize, rowBytes }: Rows,
  from: (row: number) => number,
): Uint8Array {
  const result = new Uint8Array(bytes.byteLength)
  for (let row = 0; row * rowBytes < bytes.byteLength; row++) {
    const within = row % headSize
    const source = (row - within + from(within)) * rowBytes
    result.set(bytes.subarray(source, source + rowBytes), row * rowBytes)
  }
  return result
}
