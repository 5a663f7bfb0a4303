import type { Decoder } from '../models/decoder.ts'
import {
  assembleDecoder,
  checkDecoder,
  DecoderFileError,
  type DecoderWeights,
  type LoadOptions,
  type StoredTensor,
  quoted,
  trainedOf,
} from './assembleDecoder.ts'
import type { Backend } from '../Backend.ts'
import type { ByteSource } from './ByteSource.ts'
import * as Safetensors from './Safetensors.ts'

/**
 * Reads a decoder as Hugging Face publishes it.
 *
 * @param file.config what `config.json` holds, parsed.
 * @param file.sources the safetensors file, or all its shards. F32, F16 and BF16 are read.
 * @throws {DecoderFileError} when the model is of another sort.
 * @throws {SafetensorsError} when a file is not sound.
 */
export async function read(
  ports: { readonly backend: Backend },
  { config: json, sources }: { config: unknown; sources: readonly ByteSource[] },
  options?: LoadOptions,
): Promise<DecoderWeights> {
  const config = configFrom(json)
  const tensors = new Map<string, StoredTensor>()
  for (const source of sources) {
    for (const [name, tensor] of await open(source)) {
      if (tensors.has(name)) throw new DecoderFileError(`${quoted(name)} is in two of its shards.`)
      tensors.set(name, tensor)
    }
  }
  if (config.isTied) await dropTiedHead(tensors)
  return assembleDecoder(ports, { config, tensors }, options)
}

/** The files of a decoder as Hugging Face's libraries read them: weights are F32. */
export function write(decoder: DecoderWeights): {
  /** What `config.json` is to hold. */
  readonly config: Readonly<Record<string, unknown>>
  /** `model.safetensors` */
  readonly file: Uint8Array
} {
  const tensors = trainedOf(decoder).map((tensor) => ({ ...tensor, dtype: 'F32' as const }))
  return {
    config: jsonOf(decoder.model.config),
    file: Safetensors.write({ metadata: { format: 'pt' }, tensors }),
  }
}

/**
 * The sizes of a decoder from what its `config.json` says.
 *
 * @throws {DecoderFileError} when it is no Llama or Arcee, or has a part that this engine lacks.
 */
export function configFrom(json: unknown): Decoder {
  const fields = recordOf(json, 'The configuration')
  const type = fields['model_type']
  if (type !== 'llama' && type !== 'arcee')
    throw new DecoderFileError(`Its model_type is ${JSON.stringify(type)}.`)
  const usual = activations[type]
  const { hidden_act: activation = usual } = fields
  if (activation !== usual)
    throw new DecoderFileError(`Its hidden_act is ${JSON.stringify(activation)}, not ${usual}.`)
  for (const name of ['attention_bias', 'mlp_bias'])
    if (fields[name] !== undefined && fields[name] !== false)
      throw new DecoderFileError(`It has biases (${name}).`)
  const width = number(fields, 'hidden_size')
  const heads = number(fields, 'num_attention_heads')
  return checkDecoder({
    vocabulary: number(fields, 'vocab_size'),
    width,
    layers: number(fields, 'num_hidden_layers'),
    heads,
    keyHeads: number(fields, 'num_key_value_heads', heads),
    headSize: number(fields, 'head_dim', width / heads),
    hidden: number(fields, 'intermediate_size'),
    feedForward: type === 'llama' ? 'swiglu' : 'relu-squared',
    positions: number(fields, 'max_position_embeddings'),
    rotaryBase: rotaryBase(fields),
    epsilon: number(fields, 'rms_norm_eps'),
    isTied: fields['tie_word_embeddings'] === true,
    profiles: { attention: 'f32', feedForward: 'f32', head: 'f32' },
  })
}

const activations = { llama: 'silu', arcee: 'relu2' } as const

function jsonOf(config: Decoder): Readonly<Record<string, unknown>> {
  const type = config.feedForward === 'swiglu' ? 'llama' : 'arcee'
  return {
    architectures: [type === 'llama' ? 'LlamaForCausalLM' : 'ArceeForCausalLM'],
    model_type: type,
    vocab_size: config.vocabulary,
    hidden_size: config.width,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: config.keyHeads,
    head_dim: config.headSize,
    intermediate_size: config.hidden,
    hidden_act: activations[type],
    max_position_embeddings: config.positions,
    rope_theta: config.rotaryBase,
    rope_scaling: null,
    rms_norm_eps: config.epsilon,
    tie_word_embeddings: config.isTied,
    attention_bias: false,
    mlp_bias: false,
    torch_dtype: 'float32',
  }
}

/** Older files say it at the top, newer ones among the `rope_parameters`; only plain angles are computed. */
function rotaryBase(fields: Fields): number {
  const given = fields['rope_parameters'] ?? fields['rope_scaling'] ?? {}
  const parameters = recordOf(given, 'Its rotary parameters')
  const { rope_type: type = parameters['type'] ?? 'default' } = parameters
  if (type !== 'default')
    throw new DecoderFileError(`It scales its rotary angles (${JSON.stringify(type)}).`)
  return number(parameters, 'rope_theta', number(fields, 'rope_theta', 10_000))
}

async function open(source: ByteSource): Promise<Map<string, StoredTensor>> {
  const { byteLength: fileBytes } = source
  const length = Safetensors.headerBytes(await source.read(0, Math.min(8, fileBytes)))
  const head = await source.read(0, Math.min(length, fileBytes))
  const { entries } = Safetensors.readHeader(head, { fileBytes })
  const used = entries.filter(({ name }) => !name.endsWith('.rotary_emb.inv_freq'))
  return new Map(
    used.map((entry) => [
      entry.name,
      {
        shape: entry.shape,
        read: async () =>
          Safetensors.toF32({ ...entry, bytes: await source.read(entry.begin, entry.end) }),
      },
    ]),
  )
}

/** Some programs write the head of a tied model too: it must then be what it is tied to. */
async function dropTiedHead(tensors: Map<string, StoredTensor>): Promise<void> {
  const head = await tensors.get('lm_head.weight')?.read()
  if (!head) return
  const embedding = await tensors.get('model.embed_tokens.weight')?.read()
  if (embedding?.length !== head.length || head.some((byte, at) => byte !== embedding[at]))
    throw new DecoderFileError('It says that its head is tied to its embedding, but they differ.')
  tensors.delete('lm_head.weight')
}

type Fields = Readonly<Record<string, unknown>>

function recordOf(value: unknown, what: string): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields
  throw new DecoderFileError(`${what} should be a record of fields.`)
}

function number(fields: Fields, name: string, usual?: number): number {
  const value = fields[name] ?? usual
  if (typeof value === 'number') return value
  throw new DecoderFileError(`Its configuration lacks the number ${name}.`)
}
