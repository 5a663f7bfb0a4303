import { BaseError } from '../../runtime/Errors.ts'
import * as Ops from '../ops.ts'
import { write } from '../Program.ts'
import { contract, gather, map, place, reshape, slice, type Tensor, transpose } from '../Tensor.ts'
import * as Transcendentals from '../transcendentals.ts'
import * as Parameter from './Parameter.ts'
import { rotate } from './rotary.ts'

/**
 * A decoder of Llama's shape: RMSNorm, rotary embedding, grouped-query attention, and a feed-forward
 * part with SwiGLU, or with squared ReLU and no gate. Names of weights are Hugging Face's.
 */
export type Decoder = {
  readonly vocabulary: number
  readonly width: number
  readonly layers: number
  readonly heads: number
  /** Heads of keys and values, each for `heads / keyHeads` heads. */
  readonly keyHeads: number
  readonly headSize: number
  /** Width inside the feed-forward part. */
  readonly hidden: number
  readonly feedForward: 'swiglu' | 'relu-squared'
  /** The longest text: rows of the rotary table. */
  readonly positions: number
  readonly rotaryBase: number
  readonly epsilon: number
  /** Whether the head's weights are the embedding's. */
  readonly isTied: boolean
  /**
   * How the products with weights are computed. Products inside attention are always f32: a scale
   * over the positions would let later tokens change earlier ones.
   */
  readonly profiles: Readonly<Record<'attention' | 'feedForward' | 'head', Ops.Profile>>
}

/** A decoder as functions that build graphs. */
export type Model = {
  readonly config: Decoder
  readonly parameters: readonly Parameter.Parameter[]
  /** u32 tokens [batch, length] to logits [batch, length, vocabulary]. */
  logits(tokens: Tensor): Tensor
  /**
   * The same for tokens that stand at `position` (u32[]) and after, with the keys and values of those
   * before: as `logits` of the whole, bit for bit.
   *
   * @param caches for each layer, keys and values [batch, keyHeads, positions, headSize].
   */
  decode(
    tokens: Tensor,
    position: Tensor,
    caches: readonly Cache[],
  ): { readonly logits: Tensor; readonly caches: readonly Cache[] }
}

export type Cache = { readonly keys: Tensor; readonly values: Tensor }

/** @throws {DecoderError} when the sizes do not fit each other. */
export function decoder(config: Decoder): Model {
  check(config)
  const { width, vocabulary, positions, rotaryBase: base, headSize } = config
  const embedding = matrix('model.embed_tokens.weight', [vocabulary, width])
  const layers = Array.from({ length: config.layers }, (_, index) => layerOf(config, index))
  const norm = gain('model.norm.weight', width)
  const head = config.isTied ? undefined : matrix('lm_head.weight', [vocabulary, width])
  const angles = [positions, headSize / 2]
  const tables = {
    cos: Parameter.table('rotary.cos', angles, { kind: 'rotary', of: 'cos', base }),
    sin: Parameter.table('rotary.sin', angles, { kind: 'rotary', of: 'sin', base }),
  }

  const run = (tokens: Tensor, context: (layer: number) => Context) => {
    let x = gather(embedding.slot, tokens)
    layers.forEach((layer, index) => (x = block(config, layer, x, context(index))))
    const last = Ops.rmsNorm(x, norm.slot, config.epsilon)
    return Ops.linear(last, (head ?? embedding).slot, config.profiles.head)
  }
  return {
    config,
    parameters: [
      embedding,
      ...layers.flatMap((layer) => Object.values(layer)),
      norm,
      ...(head ? [head] : []),
      tables.cos,
      tables.sin,
    ],
    logits(tokens) {
      const length = tokens.shape.at(-1)!
      if (length > positions)
        throw new DecoderError(`${length} tokens are more than the ${positions} positions.`)
      const part = ({ slot }: Parameter.Parameter) => slice(slot, [0, 0], [length, headSize / 2])
      const rotation = { cos: part(tables.cos), sin: part(tables.sin) }
      const mask = visible(Ops.iota(length), length)
      return run(tokens, () => ({ rotation, mask, remember: (keys, values) => ({ keys, values }) }))
    },
    decode(tokens, position, caches) {
      const at = Ops.addWords(Ops.iota(tokens.shape.at(-1)!), position)
      const rotation = { cos: gather(tables.cos.slot, at), sin: gather(tables.sin.slot, at) }
      const mask = visible(at, positions)
      const next: Cache[] = []
      const logits = run(tokens, (layer) => ({
        rotation,
        mask,
        remember(keys, values) {
          const before = caches[layer]!
          const cache = {
            keys: place(before.keys, keys, position, 2),
            values: place(before.values, values, position, 2),
          }
          next[layer] = cache
          return cache
        },
      }))
      return { logits, caches: next }
    },
  }
}

type Layer = ReturnType<typeof layerOf>

type Context = {
  readonly rotation: { readonly cos: Tensor; readonly sin: Tensor }
  /** 1 where a row may see a column. */
  readonly mask: Tensor
  /** From the keys and values of these tokens to those of all that are looked at. */
  remember(keys: Tensor, values: Tensor): Cache
}

function layerOf(config: Decoder, index: number) {
  const { width, heads, keyHeads, headSize, hidden, layers } = config
  const name = (rest: string) => `model.layers.${index}.${rest}.weight`
  // What adds to the residual begins smaller, the deeper the model (Radford et al., 2019).
  const residual = 0.02 / Math.sqrt(2 * layers)
  return {
    attentionNorm: gain(name('input_layernorm'), width),
    query: matrix(name('self_attn.q_proj'), [heads * headSize, width]),
    key: matrix(name('self_attn.k_proj'), [keyHeads * headSize, width]),
    value: matrix(name('self_attn.v_proj'), [keyHeads * headSize, width]),
    output: matrix(name('self_attn.o_proj'), [width, heads * headSize], residual),
    feedForwardNorm: gain(name('post_attention_layernorm'), width),
    ...(config.feedForward === 'swiglu'
      ? { gate: matrix(name('mlp.gate_proj'), [hidden, width]) }
      : {}),
    up: matrix(name('mlp.up_proj'), [hidden, width]),
    down: matrix(name('mlp.down_proj'), [width, hidden], residual),
  }
}

function block(config: Decoder, layer: Layer, x: Tensor, context: Context): Tensor {
  const { epsilon, profiles } = config
  const normed = Ops.rmsNorm(x, layer.attentionNorm.slot, epsilon)
  const attended = Ops.add(x, attention(config, layer, normed, context))
  const inner = Ops.rmsNorm(attended, layer.feedForwardNorm.slot, epsilon)
  const linear = (y: Tensor, { slot }: Parameter.Parameter) =>
    Ops.linear(y, slot, profiles.feedForward)
  const up = linear(inner, layer.up)
  const hidden = layer.gate ? map(gated, [linear(inner, layer.gate), up]) : Ops.reluSquared(up)
  return Ops.add(attended, linear(hidden, layer.down))
}

function attention(config: Decoder, layer: Layer, x: Tensor, context: Context): Tensor {
  const { heads, keyHeads, headSize, profiles } = config
  const [batch = 1, length = 1] = x.shape
  const group = heads / keyHeads
  const linear = (y: Tensor, { slot }: Parameter.Parameter) =>
    Ops.linear(y, slot, profiles.attention)
  const split = (y: Tensor) =>
    transpose(reshape(y, [batch, length, keyHeads, headSize]), [0, 2, 1, 3])
  const grouped = transpose(
    reshape(linear(x, layer.query), [batch, length, keyHeads, group, headSize]),
    [0, 2, 3, 1, 4],
  )
  const queries = Ops.scale(rotate(grouped, context.rotation), 1 / Math.sqrt(headSize))
  const { keys, values } = context.remember(
    rotate(split(linear(x, layer.key)), context.rotation),
    split(linear(x, layer.value)),
  )
  // The heads of a group are more rows of one product.
  const rows = [batch, keyHeads, group * length]
  const columns = keys.shape[2]!
  const scores = contract(reshape(queries, [...rows, headSize]), keys, { transposeB: true })
  const seen = Ops.softmaxMasked(
    reshape(scores, [batch, keyHeads, group, length, columns]),
    context.mask,
  )
  // Adding zero makes -0 to +0: a masked place adds a zero of its value's sign, the only trace it leaves.
  const mixed = Ops.shift(contract(reshape(seen, [...rows, columns]), values), 0)
  const back = transpose(
    reshape(mixed, [batch, keyHeads, group, length, headSize]),
    [0, 3, 1, 2, 4],
  )
  return linear(reshape(back, [batch, length, heads * headSize]), layer.output)
}

/** silu(gate) * up */
const gated = write(2, (w, gate, up) => w.mul(Transcendentals.silu(w, gate), up))

/** For rows at positions, which of the columns are not after them. */
function visible(positions: Tensor, columns: number): Tensor {
  const rows = positions.shape[0]!
  const after = Ops.addWords(positions, Ops.word(1))
  return Ops.lessWords(Ops.iota(columns), reshape(after, [rows, 1]))
}

function matrix(name: string, shape: readonly number[], deviation = 0.02) {
  return Parameter.weights(name, shape, { kind: 'normal', deviation })
}

function gain(name: string, width: number) {
  return Parameter.weights(name, [width], { kind: 'constant', value: 1 })
}

function check({ heads, keyHeads, headSize, positions }: Decoder): void {
  if (heads % keyHeads !== 0)
    throw new DecoderError(`${heads} heads cannot share ${keyHeads} heads of keys evenly.`)
  if (headSize % 2 !== 0)
    throw new DecoderError(`A head of ${headSize} has no two halves to rotate: make it even.`)
  if (positions > 2 ** 20) throw new DecoderError('Angles are exact up to 1048576 positions.')
}

/** Thrown when a decoder's sizes do not fit. */
export class DecoderError extends BaseError {
  override readonly code = 'Exact.DecoderError'

  constructor(shortMessage: string) {
    super(shortMessage)
  }
}
