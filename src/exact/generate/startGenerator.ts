import type { Backend, Executable } from '../Backend.ts'
import { DecoderError, type Model } from '../models/decoder.ts'
import { bytesOf } from '../train/startRun.ts'
import { decodingGraph } from './decodingGraph.ts'
import { greedy, sample } from './sample.ts'
import { type PartedExecutable, startParted } from './startParted.ts'

/** A decoder made ready to continue texts, one at a time. */
export type Generator = AsyncDisposable & {
  /**
   * The tokens that follow a prompt, the same for the same prompt and options on every machine.
   *
   * @throws {DecoderError} when prompt and continuation are longer than the model's positions.
   */
  generate(prompt: Uint32Array, options: GenerateOptions): globalThis.Generator<number, void>
}

export type GenerateOptions = {
  readonly maxTokens: number
  /** 0 always takes the most likely token. */
  readonly temperature?: number | undefined
  readonly topK?: number | undefined
  readonly topP?: number | undefined
  readonly seed?: readonly [number, number] | undefined
  /** Ends after this token. */
  readonly stopToken?: number | undefined
}

/**
 * Prepares a decoder for generation. Weights of products in a quantised profile are quantised once, and
 * kept as int8 with f32 scales.
 *
 * @param weights bytes of the model's parameters, in order.
 * @param options.prefillWidth how many tokens of a prompt are read at once; it changes no bit.
 */
export async function startGenerator(
  { backend, model, weights }: startGenerator.Ports,
  { prefillWidth = 1, signal }: startGenerator.Options = {},
): Promise<Generator> {
  await using stack = new AsyncDisposableStack()
  const prepare = async (width: number) => {
    const graph = decodingGraph(model, { width })
    const parted = await startParted({ backend }, { graph, constants: weights, signal })
    stack.use(parted.executable)
    return parted
  }
  const decoding = await prepare(1)
  const prefilling = prefillWidth > 1 ? await prepare(prefillWidth) : decoding
  const width = Math.max(1, prefillWidth)
  const caches = Array.from({ length: 2 * model.config.layers }, (_, at) => weights.length + at)
  const owned = stack.move()
  return {
    generate(prompt, options) {
      expectRoom(model, prompt, options)
      return generate({ decoding, prefilling, width, caches }, prompt, options)
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

export declare namespace startGenerator {
  type Ports = {
    backend: Backend
    model: Model
    weights: readonly Uint8Array[]
  }
  type Options = { prefillWidth?: number | undefined; signal?: AbortSignal | undefined }
}

type Prepared = {
  readonly decoding: PartedExecutable
  readonly prefilling: PartedExecutable
  readonly width: number
  /** The state slots of the cache, as the graph numbers them. */
  readonly caches: readonly number[]
}

function* generate(
  prepared: Prepared,
  prompt: Uint32Array,
  { maxTokens, temperature = 0, topK, topP, stopToken, seed = [0, 0] }: GenerateOptions,
): globalThis.Generator<number, void> {
  const advance = (executable: Executable, tokens: Uint32Array, position: number) => {
    const scale = new Uint8Array(4)
    new DataView(scale.buffer).setFloat32(0, temperature > 0 ? temperature : 1, true)
    const at = bytesOf(Uint32Array.of(position))
    const [logits, chances] = executable.step([bytesOf(tokens), at, scale])
    return temperature > 0
      ? sample(wordsOf(chances!), { seed, position: position + tokens.length, topK, topP })
      : greedy(new Float32Array(wordsOf(logits!).buffer))
  }
  const { executable } = prepared.decoding
  let position = readAhead(prepared, prompt, advance)
  let next = 0
  for (; position < prompt.length; position++)
    next = advance(executable, prompt.subarray(position, position + 1), position)
  for (let done = 1; ; done++, position++) {
    yield next
    if (next === stopToken || done >= maxTokens) return
    next = advance(executable, Uint32Array.of(next), position)
  }
}

/** Reads whole widths of a prompt, all but its last token at most, and hands over the cache. */
function readAhead(
  { decoding, prefilling, width, caches }: Prepared,
  prompt: Uint32Array,
  advance: (executable: Executable, tokens: Uint32Array, position: number) => number,
): number {
  if (prefilling === decoding) return 0
  let position = 0
  for (; position + width < prompt.length; position += width)
    advance(prefilling.executable, prompt.subarray(position, position + width), position)
  for (const slot of caches)
    decoding.executable.writeState(
      decoding.slotOf(slot)!,
      prefilling.executable.readState(prefilling.slotOf(slot)!),
    )
  return position
}

function expectRoom(model: Model, prompt: Uint32Array, { maxTokens }: GenerateOptions): void {
  const { positions, vocabulary } = model.config
  if (prompt.length === 0) throw new DecoderError('The prompt is empty: give at least one token.')
  if (prompt.length + maxTokens > positions || !(maxTokens > 0))
    throw new DecoderError(
      `${prompt.length} tokens and ${maxTokens} more do not fit ${positions} positions: ask for less.`,
    )
  const unknown = prompt.find((token) => token >= vocabulary)
  if (unknown !== undefined)
    throw new DecoderError(`Token ${unknown} is not among the ${vocabulary} of the vocabulary.`)
}

/** Words from little-endian bytes, as a copy. */
function wordsOf(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(bytes.slice().buffer)
}
