import { describe, expect, test } from 'vitest'
import { allIn, evaluate, floats, tinyDecoder } from '../../../test/exactDecoders.ts'
import { reference } from '../reference.ts'
import { input } from '../Tensor.ts'
import { bytesOf, drawParameters } from '../train/startRun.ts'
import { type Decoder, decoder } from './decoder.ts'

const seed = [5, 6] as const
const tokens = [3, 100, 7, 7, 64, 0]

describe('decoder', () => {
  const shapes: Readonly<Record<string, Decoder>> = {
    'grouped queries, SwiGLU, tied': { ...tinyDecoder, layers: 2, heads: 4, keyHeads: 2 },
    'squared ReLU, untied': { ...tinyDecoder, feedForward: 'relu-squared', isTied: false },
    'a width that is not the heads together': { ...tinyDecoder, headSize: 6 },
  }

  test.each(Object.entries(shapes))('of %s is what plain loops in f64 give', async (_, config) => {
    const { logits, weights } = await run(config, tokens)
    const expected = plain(config, weights, tokens)
    logits.forEach((logit, index) => expect(logit).toBeCloseTo(expected[index]!, 5))
  })

  test('a token changes nothing before it, to the bit, in any profile', async () => {
    for (const profile of ['f32', 'i8', 'i8x3'] as const) {
      const config = { ...tinyDecoder, profiles: allIn(profile) }
      const [first, other] = [await run(config, tokens), await run(config, tokens.with(5, 99))]
      const before = 5 * config.vocabulary
      expect(other.logits.slice(0, before)).toEqual(first.logits.slice(0, before))
      expect(other.logits.slice(before)).not.toEqual(first.logits.slice(before))
    }
  })

  test('i8x3 stays near f32, i8 further off', async () => {
    const exact = await run({ ...tinyDecoder, isTied: false }, tokens)
    const distance = async (profile: 'i8' | 'i8x3') => {
      const profiles = allIn(profile)
      const { logits } = await run({ ...tinyDecoder, isTied: false, profiles }, tokens)
      return Math.max(...logits.map((logit, i) => Math.abs(logit - exact.logits[i]!)))
    }
    const [far, near] = [await distance('i8'), await distance('i8x3')]
    expect(near).toBeLessThan(far / 10)
    expect(far).toBeLessThan(0.02)
  })

  test('names its weights as Hugging Face does', () => {
    const names = decoder({ ...tinyDecoder, isTied: false }).parameters.map(({ slot }) =>
      slot.op.kind === 'state' ? `${slot.op.name} ${slot.shape.join('x')}` : '',
    )
    expect(names).toEqual([
      'model.embed_tokens.weight 128x8',
      'model.layers.0.input_layernorm.weight 8',
      'model.layers.0.self_attn.q_proj.weight 8x8',
      'model.layers.0.self_attn.k_proj.weight 4x8',
      'model.layers.0.self_attn.v_proj.weight 4x8',
      'model.layers.0.self_attn.o_proj.weight 8x8',
      'model.layers.0.post_attention_layernorm.weight 8',
      'model.layers.0.mlp.gate_proj.weight 12x8',
      'model.layers.0.mlp.up_proj.weight 12x8',
      'model.layers.0.mlp.down_proj.weight 8x12',
      'model.norm.weight 8',
      'lm_head.weight 128x8',
      'rotary.cos 8x2',
      'rotary.sin 8x2',
    ])
  })

  test('refuses sizes that do not fit', () => {
    expect(() => decoder({ ...tinyDecoder, heads: 3, keyHeads: 2 })).toThrow('cannot share')
    expect(() => decoder({ ...tinyDecoder, headSize: 5 })).toThrow('make it even')
    expect(() => decoder({ ...tinyDecoder, positions: 2 ** 21 })).toThrow('1048576')
    const long = input('batch', 'tokens', 'u32', [1, 9])
    expect(() => decoder(tinyDecoder).logits(long)).toThrow('more than the 8 positions')
  })
})

async function run(config: Decoder, text: readonly number[]) {
  const model = decoder(config)
  const slot = input('batch', 'tokens', 'u32', [1, text.length])
  const values = await drawParameters({ backend: reference }, { ...model, seed })
  const state = model.parameters.map(
    (parameter, index) => [parameter.slot, values[index]!] as const,
  )
  const batch = [[slot, bytesOf(Uint32Array.from(text))]] as const
  const [logits] = await evaluate([model.logits(slot)], { state, batch })
  const named = model.parameters.map(
    ({ slot: { op } }, index) =>
      [op.kind === 'state' ? op.name : '', floats(values[index]!)] as const,
  )
  return { logits: floats(logits!), weights: new Map(named) }
}

/** The same decoder by loops over numbers, one position after the other. */
function plain(
  config: Decoder,
  weights: ReadonlyMap<string, readonly number[]>,
  text: readonly number[],
): readonly number[] {
  const { width, heads, keyHeads, headSize, vocabulary, hidden } = config
  const norm = (x: readonly number[], name: string) => {
    const square = x.reduce((sum, v) => sum + v * v, 0) / x.length
    return x.map((v, i) => (v / Math.sqrt(square + config.epsilon)) * weights.get(name)![i]!)
  }
  const times = (name: string, x: readonly number[], rows: number) =>
    Array.from({ length: rows }, (_, row) =>
      x.reduce((sum, v, i) => sum + v * weights.get(name)![row * x.length + i]!, 0),
    )
  const turn = (x: readonly number[], position: number) => {
    const half = headSize / 2
    return x.map((v, index) => {
      const [head, i] = [Math.floor(index / headSize) * headSize, index % headSize]
      const angle = position * config.rotaryBase ** (-(i % half) / half)
      const other = x[head + ((i + half) % headSize)]!
      return v * Math.cos(angle) + (i < half ? -other : other) * Math.sin(angle)
    })
  }
  let xs = text.map((token) =>
    weights.get('model.embed_tokens.weight')!.slice(token * width, (token + 1) * width),
  )
  for (let layer = 0; layer < config.layers; layer++) {
    const name = (rest: string) => `model.layers.${layer}.${rest}.weight`
    const ins = xs.map((x) => norm(x, name('input_layernorm')))
    const q = ins.map((x, at) => turn(times(name('self_attn.q_proj'), x, heads * headSize), at))
    const k = ins.map((x, at) => turn(times(name('self_attn.k_proj'), x, keyHeads * headSize), at))
    const v = ins.map((x) => times(name('self_attn.v_proj'), x, keyHeads * headSize))
    xs = xs.map((x, at) => {
      const mixed = Array.from({ length: heads * headSize }, () => 0)
      for (let head = 0; head < heads; head++) {
        const shared = Math.floor((head * keyHeads) / heads) * headSize
        const powers = k.slice(0, at + 1).map((key) => {
          let score = 0
          for (let i = 0; i < headSize; i++)
            score += q[at]![head * headSize + i]! * key[shared + i]!
          return Math.exp(score / Math.sqrt(headSize))
        })
        const total = powers.reduce((sum, power) => sum + power, 0)
        for (let i = 0; i < headSize; i++)
          powers.forEach((power, j) => {
            mixed[head * headSize + i]! += (power / total) * v[j]![shared + i]!
          })
      }
      const added = times(name('self_attn.o_proj'), mixed, width)
      return x.map((value, i) => value + added[i]!)
    })
    xs = xs.map((x) => {
      const inner = norm(x, name('post_attention_layernorm'))
      const up = times(name('mlp.up_proj'), inner, hidden)
      const gate =
        config.feedForward === 'swiglu' ? times(name('mlp.gate_proj'), inner, hidden) : undefined
      const middle = up.map((u, i) =>
        gate ? (gate[i]! / (1 + Math.exp(-gate[i]!))) * u : Math.max(u, 0) ** 2,
      )
      const added = times(name('mlp.down_proj'), middle, width)
      return x.map((value, i) => value + added[i]!)
    })
  }
  const head = config.isTied ? 'model.embed_tokens.weight' : 'lm_head.weight'
  return xs.flatMap((x) => times(head, norm(x, 'model.norm.weight'), vocabulary))
}
