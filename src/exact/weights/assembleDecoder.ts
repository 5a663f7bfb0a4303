import { BaseError } from '../../runtime/Errors.ts'
import type { Backend } from '../Backend.ts'
import { type Decoder, decoder, DecoderError, type Model } from '../models/decoder.ts'
import { same } from '../Tensor.ts'
import { drawParameters } from '../train/startRun.ts'

/** A decoder and the bytes of its parameters, in their order. */
export type DecoderWeights = {
  readonly model: Model
  readonly weights: readonly Uint8Array[]
}

/** A tensor of a file, under Hugging Face's name, read when it is needed. */
export type StoredTensor = {
  /** Row-major. */
  readonly shape: readonly number[]
  /** f32, little-endian, rows of a head in halves. */
  readonly read: () => Promise<Uint8Array>
}

export type LoadOptions = {
  /**
   * The longest text it is to read: the file's own at most. Every position costs room in the cache and
   * time at every step. @default 4096
   */
  readonly positions?: number | undefined
  /** How products with weights are computed. @default f32 everywhere */
  readonly profiles?: Decoder['profiles'] | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Puts the tensors of a file in the order of a decoder's parameters. Every one must be there in its
 * shape, and none that the decoder would leave unused; rotary tables are computed.
 *
 * @throws {DecoderFileError} naming the tensor.
 */
export async function assembleDecoder(
  { backend }: { readonly backend: Backend },
  { config, tensors }: { config: Decoder; tensors: ReadonlyMap<string, StoredTensor> },
  { positions = 4096, profiles = config.profiles, signal }: LoadOptions = {},
): Promise<DecoderWeights> {
  const model = build({
    ...config,
    positions: Math.min(config.positions, positions),
    profiles,
  })
  const trained = model.parameters.filter(({ isTrained }) => isTrained)
  const expected = new Map(trained.map(({ slot }) => [nameOf(slot), slot.shape]))
  for (const [name, { shape }] of tensors) {
    const wanted = expected.get(name)
    if (!wanted)
      throw new DecoderFileError(
        `It has ${quoted(name)}, which a decoder of this sort does not use.`,
      )
    if (!same(shape, wanted))
      throw new DecoderFileError(
        `${quoted(name)} is [${shape.join(', ')}], but by its configuration [${wanted.join(', ')}].`,
      )
  }
  const missing = [...expected.keys()].find((name) => !tensors.has(name))
  if (missing !== undefined) throw new DecoderFileError(`It lacks ${missing}.`)
  const tables = model.parameters.filter(({ isTrained }) => !isTrained)
  const drawn = await drawParameters({ backend }, { parameters: tables, seed: [0, 0], signal })
  const weights: Uint8Array[] = []
  for (const { slot, isTrained } of model.parameters) {
    signal?.throwIfAborted()
    if (isTrained) weights.push(await tensors.get(nameOf(slot))!.read())
    else weights.push(drawn[tables.findIndex((table) => table.slot === slot)]!)
  }
  return { model, weights }
}

/** The trained parameters of a decoder with their bytes, under Hugging Face's names. */
export function trainedOf({ model, weights }: DecoderWeights) {
  if (weights.length !== model.parameters.length)
    throw new DecoderFileError(
      `The decoder has ${model.parameters.length} parameters, not ${weights.length}.`,
    )
  return model.parameters.flatMap(({ slot, isTrained }, index) =>
    isTrained ? [{ name: nameOf(slot), shape: slot.shape, bytes: weights[index]! }] : [],
  )
}

/** The greatest sizes that are read, so that a file of a few bytes cannot ask for a graph without end. */
const limits = {
  vocabulary: 2 ** 22,
  width: 2 ** 16,
  layers: 512,
  heads: 1024,
  keyHeads: 1024,
  headSize: 1024,
  hidden: 2 ** 20,
  positions: 2 ** 30,
} as const

/**
 * Checks a configuration that came from outside.
 *
 * @throws {DecoderFileError} naming what is out of bounds.
 */
export function checkDecoder(config: Decoder): Decoder {
  for (const [name, limit] of Object.entries(limits)) {
    const size = config[name as keyof typeof limits]
    if (!Number.isInteger(size) || size < 1 || size > limit)
      throw new DecoderFileError(`Its ${name} is ${size}: expected 1 to ${limit}.`)
  }
  const { rotaryBase, epsilon } = config
  if (!(rotaryBase >= 1 && rotaryBase < 2 ** 100))
    throw new DecoderFileError(`The base of its rotary angles is ${rotaryBase}.`)
  if (!(epsilon >= 0 && epsilon < 1))
    throw new DecoderFileError(`The epsilon of its norms is ${epsilon}.`)
  return config
}

export function quoted(name: string): string {
  return JSON.stringify(name.slice(0, 100))
}

function build(config: Decoder): Model {
  try {
    return decoder(config)
  } catch (cause) {
    if (!(cause instanceof DecoderError)) throw cause
    throw new DecoderFileError(cause.message, { cause })
  }
}

function nameOf(slot: Model['parameters'][number]['slot']): string {
  return slot.op.kind === 'state' ? slot.op.name : ''
}

/** Thrown when a file holds no decoder that this engine can compute. */
export class DecoderFileError extends BaseError {
  override readonly code = 'Exact.DecoderFileError'

  constructor(reason: string, { cause }: { cause?: unknown } = {}) {
    super(`The file does not hold a decoder of this engine. ${reason}`, {
      cause,
      metaMessages: [
        'It reads Llama (SwiGLU) and Arcee (squared ReLU) without biases, experts or scaled rotary angles.',
      ],
    })
  }
}
