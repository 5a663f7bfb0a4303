import { samplingStream } from '../data.ts'
import * as Graph from '../Graph.ts'
import { DecoderError, type Model } from '../models/decoder.ts'
import * as Ops from '../ops.ts'
import { write } from '../Program.ts'
import { gather, input, map, philox, place, reshape, type Tensor } from '../Tensor.ts'
import * as Transcendentals from '../transcendentals.ts'
import { bytesOf } from '../train/startRun.ts'

/**
 * Generation as a run: a graph without a batch, each step of which reads the token at `count`, writes the
 * cache, and, past the prompt, places the next token. So that a text has state roots and a run root, and
 * is judged as training is: a prompt of p tokens and n more take p + n - 1 steps.
 *
 * Its state is the parameters in order, then `tokens` u32 [positions], `count` u32 [] (tokens read),
 * `promptLength` u32 [], `seed` u32 [2], `temperature` f32 [], then the cache. Its result `token` (u32 [1])
 * is the token that stands at the new `count`.
 *
 * @example
 * ```ts
 * const graph = generationGraph(model)
 * const start = generationState(model, { weights, prompt, temperature: 0.8, seed: [1, 0] })
 * ```
 */
export function generationGraph(model: Model): Graph.Graph {
  const { layers, keyHeads, headSize, positions, vocabulary } = model.config
  const tokens = input('state', 'tokens', 'u32', [positions])
  const count = input('state', 'count', 'u32', [])
  const promptLength = input('state', 'promptLength', 'u32', [])
  const seed = input('state', 'seed', 'u32', [2])
  const temperature = input('state', 'temperature', 'f32', [])
  const cache = (layer: number, of: string) =>
    input('state', `cache.${layer}.${of}`, 'f32', [1, keyHeads, positions, headSize])
  const caches = Array.from({ length: layers }, (_, layer) => ({
    keys: cache(layer, 'keys'),
    values: cache(layer, 'values'),
  }))
  const read = reshape(gather(tokens, reshape(count, [1])), [1, 1])
  const decoded = model.decode(read, count, caches)
  const logits = reshape(decoded.logits, [vocabulary])
  const next = Ops.addWords(count, Ops.word(1))
  const drawn = drawToken(logits, { seed, step: next, temperature })
  const given = gather(tokens, reshape(next, [1]))
  const token = map(chosen, [Ops.lessWords(next, promptLength), given, drawn], { dtype: 'u32' })
  return Graph.from({
    state: [
      ...model.parameters.map(({ slot }) => [slot, slot] as const),
      [tokens, place(tokens, token, next, 0)],
      [count, next],
      [promptLength, promptLength],
      [seed, seed],
      [temperature, temperature],
      ...caches.flatMap(({ keys, values }, layer) => [
        [keys, decoded.caches[layer]!.keys] as const,
        [values, decoded.caches[layer]!.values] as const,
      ]),
    ],
    results: { token },
  })
}

/**
 * A token (u32 [1]) from logits [vocabulary]: the most likely one when the temperature is 0, else one drawn
 * by its chance, as the greatest of logit / temperature + noise of Gumbel's distribution. The lowest among
 * equals; a logit that is NaN is never the greatest.
 *
 * The noise is -log(-log(u)), u an odd multiple of 2^-24 from the upper 24 bits of a Philox word: from -2.82
 * to 16.64.
 */
export function drawToken(logits: Tensor, { seed, step, temperature }: Draw): Tensor {
  const [vocabulary = 1] = logits.shape
  const words = philox(seed, step, samplingStream, [vocabulary])
  const scores = map(noisyScore, [logits, words, temperature])
  // What is greatest counts down with the index, so that the greatest of those is the first.
  const places = map(placeOf(vocabulary), [scores, Ops.max(scores), Ops.iota(vocabulary)])
  return map(indexOf(vocabulary), [Ops.max(places)], { dtype: 'u32' })
}

export type Draw = {
  readonly seed: Tensor
  /** The place in the text that the token is for. */
  readonly step: Tensor
  readonly temperature: Tensor
}

/** A logit, a random word and the temperature to what the draw compares. */
export const noisyScore = write(3, (w, logit, word, temperature) => {
  const real = w.select(w.eq(logit, logit), logit, w.f32(-Infinity))
  const odd = w.or(w.shru(word, w.bits(8)), w.bits(1))
  const uniform = w.mul(w.float(odd), w.f32(2 ** -24))
  const negated = (x: typeof word) => w.mul(x, w.f32(-1))
  const surprise = negated(Transcendentals.log(w, uniform))
  const noise = negated(Transcendentals.log(w, surprise))
  const noisy = w.add(w.div(real, temperature), noise)
  return w.select(w.lt(w.f32(0), temperature), noisy, real)
})

function placeOf(vocabulary: number) {
  return write(3, (w, value, greatest, index) =>
    w.select(w.eq(value, greatest), w.float(w.isub(w.bits(vocabulary), index)), w.f32(0)),
  )
}

function indexOf(vocabulary: number) {
  return write(1, (w, x) => w.isub(w.bits(vocabulary), w.nearest(x)))
}

/** The second word where the first is not zero, else the third. */
const chosen = write(3, (w, isGiven, given, drawn) =>
  w.select(w.eq(isGiven, w.f32(0)), drawn, given),
)

/**
 * The first state of a generation, slot by slot.
 *
 * @param weights bytes of the model's parameters, in order.
 * @throws {DecoderError} when the prompt is empty, too long or not of the vocabulary.
 */
export function generationState(model: Model, options: generationState.Options): Uint8Array[] {
  const { weights, prompt, temperature = 0, seed = [0, 0] } = options
  const { layers, keyHeads, headSize, positions, vocabulary } = model.config
  if (prompt.length === 0) throw new DecoderError('The prompt is empty: give at least one token.')
  if (prompt.length >= positions)
    throw new DecoderError(
      `${prompt.length} tokens leave no room in ${positions}: shorten the prompt.`,
    )
  const unknown = prompt.find((token) => token >= vocabulary)
  if (unknown !== undefined)
    throw new DecoderError(`Token ${unknown} is not among the ${vocabulary} of the vocabulary.`)
  const tokens = new Uint32Array(positions)
  tokens.set(prompt)
  const scale = new Uint8Array(4)
  new DataView(scale.buffer).setFloat32(0, temperature, true)
  const cacheBytes = keyHeads * positions * headSize * 4
  return [
    ...weights,
    bytesOf(tokens),
    new Uint8Array(4),
    bytesOf(Uint32Array.of(prompt.length)),
    bytesOf(Uint32Array.from(seed)),
    scale,
    ...Array.from({ length: 2 * layers }, () => new Uint8Array(cacheBytes)),
  ]
}

export declare namespace generationState {
  type Options = {
    weights: readonly Uint8Array[]
    prompt: Uint32Array
    /** 0 always takes the most likely token. */
    temperature?: number | undefined
    seed?: readonly [number, number] | undefined
  }
}

/** The text in a state of a generation: the prompt's tokens as far as read, and those that followed. */
export function tokensIn(graph: Graph.Graph, state: readonly Uint8Array[]): Uint32Array {
  const words = (name: string) => {
    const index = graph.state.findIndex((slot) => slot.name === name)
    const bytes = state[index]
    if (!bytes) throw new DecoderError(`The state has no ${name}: it is of no generation.`)
    return new Uint32Array(bytes.slice().buffer)
  }
  const tokens = words('tokens')
  return tokens.slice(0, Math.min(words('count')[0]! + 1, tokens.length))
}
