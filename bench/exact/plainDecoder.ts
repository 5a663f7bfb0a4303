import type { Decoder } from '../../src/exact/models/decoder.ts'

/** The operations that an engine gives to a decoder written plainly; none uses up its operands. */
export type Engine<T> = {
  readonly shapeOf: (x: T) => readonly number[]
  readonly reshape: (x: T, shape: readonly number[]) => T
  readonly transpose: (x: T, permutation: readonly number[]) => T
  /** Of the last two axes; the right one may lie transposed. */
  readonly matmul: (a: T, b: T, transposeB?: boolean) => T
  readonly gather: (table: T, indices: T) => T
  readonly add: (a: T, b: T) => T
  readonly sub: (a: T, b: T) => T
  readonly mul: (a: T, b: T) => T
  readonly scale: (x: T, factor: number) => T
  readonly shift: (x: T, term: number) => T
  readonly rsqrt: (x: T) => T
  readonly silu: (x: T) => T
  /** x where the mask is true, else the number. */
  readonly masked: (mask: T, x: T, otherwise: number) => T
  /** These along the last axis, the mean keeping it with size 1. */
  readonly meanSquare: (x: T) => T
  readonly softmax: (x: T) => T
  readonly logSoftmax: (x: T) => T
  readonly slice: (x: T, begin: number, end: number) => T
  readonly concat: (parts: readonly T[]) => T
  /** The mean over rows of the element that each row's label names. */
  readonly meanAt: (x: T, labels: T) => T
}

/** Weights by the names of Hugging Face, and the tables of the rotation. */
export type Weights<T> = (name: string) => T

/**
 * The loss of a decoder, SwiGLU and one head of keys for each of queries, in the ordinary way: to see
 * that the graphs of this repository compute the same, and to time engines that have no such graphs.
 *
 * @param inputs [rows, length], as `labels`, of whole numbers; the mask is [length, length].
 */
export function plainLoss<T>(
  engine: Engine<T>,
  config: Decoder,
  { weights, inputs, labels, mask }: plainLoss.Options<T>,
): T {
  const { width, vocabulary } = config
  let x = engine.gather(weights('model.embed_tokens.weight'), inputs)
  for (let layer = 0; layer < config.layers; layer++)
    x = block(engine, config, { x, mask, weights, layer })
  const last = rmsNorm(engine, config, x, weights('model.norm.weight'))
  const head = weights(config.isTied ? 'model.embed_tokens.weight' : 'lm_head.weight')
  const rows = engine
    .shapeOf(x)
    .slice(0, -1)
    .reduce((product, size) => product * size, 1)
  const logits = engine.matmul(engine.reshape(last, [rows, width]), head, true)
  const picked = engine.meanAt(
    engine.logSoftmax(engine.reshape(logits, [rows, vocabulary])),
    engine.reshape(labels, [rows]),
  )
  return engine.scale(picked, -1)
}

export declare namespace plainLoss {
  type Options<T> = { weights: Weights<T>; inputs: T; labels: T; mask: T }
}

type Block<T> = {
  readonly x: T
  readonly mask: T
  readonly weights: Weights<T>
  readonly layer: number
}

function block<T>(engine: Engine<T>, config: Decoder, { x, mask, weights, layer }: Block<T>): T {
  const of = (name: string) => weights(`model.layers.${layer}.${name}.weight`)
  const linear = (y: T, name: string) => {
    const shape = engine.shapeOf(y)
    const [size = 1] = shape.slice(-1)
    const rows = shape.slice(0, -1).reduce((product, each) => product * each, 1)
    const flat = engine.matmul(engine.reshape(y, [rows, size]), of(name), true)
    return engine.reshape(flat, [...shape.slice(0, -1), engine.shapeOf(flat)[1]!])
  }
  const normed = rmsNorm(engine, config, x, of('input_layernorm'))
  const heads = (y: T) => {
    const [rows = 1, length = 1] = engine.shapeOf(y)
    const split = engine.reshape(y, [rows, length, config.heads, config.headSize])
    return engine.transpose(split, [0, 2, 1, 3])
  }
  const rotation = { cos: weights('rotary.cos'), sin: weights('rotary.sin') }
  const queries = rotate(engine, heads(linear(normed, 'self_attn.q_proj')), rotation)
  const keys = rotate(engine, heads(linear(normed, 'self_attn.k_proj')), rotation)
  const values = heads(linear(normed, 'self_attn.v_proj'))
  const scores = engine.scale(engine.matmul(queries, keys, true), 1 / Math.sqrt(config.headSize))
  const seen = engine.softmax(engine.masked(mask, scores, -1e30))
  const mixed = engine.transpose(engine.matmul(seen, values), [0, 2, 1, 3])
  const joined = engine.reshape(mixed, engine.shapeOf(x))
  const attended = engine.add(x, linear(joined, 'self_attn.o_proj'))
  const inner = rmsNorm(engine, config, attended, of('post_attention_layernorm'))
  const gate = engine.silu(linear(inner, 'mlp.gate_proj'))
  const hidden = engine.mul(gate, linear(inner, 'mlp.up_proj'))
  return engine.add(attended, linear(hidden, 'mlp.down_proj'))
}

function rmsNorm<T>(engine: Engine<T>, { epsilon }: Decoder, x: T, gain: T): T {
  const factor = engine.rsqrt(engine.shift(engine.meanSquare(x), epsilon))
  return engine.mul(engine.mul(x, factor), gain)
}

/** The first half of a head and the second turn as pairs. */
function rotate<T>(engine: Engine<T>, x: T, { cos, sin }: { readonly cos: T; readonly sin: T }): T {
  const size = engine.shapeOf(x).at(-1)!
  const [a, b] = [engine.slice(x, 0, size / 2), engine.slice(x, size / 2, size)]
  const { add, sub, mul } = engine
  return engine.concat([sub(mul(a, cos), mul(b, sin)), add(mul(b, cos), mul(a, sin))])
}
