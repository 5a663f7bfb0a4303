import { describe, expect, test } from 'vitest'
import {
  allIn,
  bytesOfFloats,
  evaluate,
  floats,
  tinyDecoder,
  words,
} from '../../../test/exactDecoders.ts'
import { type Decoder, decoder, type Model } from '../models/decoder.ts'
import { reference } from '../reference.ts'
import { input } from '../Tensor.ts'
import { bytesOf, drawParameters } from '../train/startRun.ts'
import { decodingGraph } from './decodingGraph.ts'
import { type GenerateOptions, startGenerator } from './startGenerator.ts'

const text = Uint32Array.of(3, 100, 7, 7, 64, 0, 12, 99, 1, 5)
const base: Decoder = { ...tinyDecoder, positions: 18, layers: 2, heads: 4, keyHeads: 2 }
const decoders: Readonly<Record<string, Decoder>> = {
  f32: base,
  'i8, squared ReLU, untied': {
    ...base,
    feedForward: 'relu-squared',
    isTied: false,
    profiles: allIn('i8'),
  },
  i8x3: { ...base, layers: 1, profiles: allIn('i8x3') },
}

describe('decodingGraph', () => {
  test.each(Object.entries(decoders))(
    'decoding gives bit for bit what the whole text gives, at every position: %s',
    async (_, config) => {
      const { model, weights } = await prepared(config)
      const whole = await prefill(model, weights, text)
      await using run = await reference.prepare(decodingGraph(model))
      weights.forEach((bytes, index) => run.writeState(index, bytes))
      // What an earlier text left in the cache leaves no trace.
      for (let position = 0; position < 18; position += 5)
        run.step(batchOf(Uint32Array.of(77), position))
      for (let position = 0; position < text.length; position++) {
        const [logits] = run.step(batchOf(text.subarray(position, position + 1), position))
        const expected = whole.subarray(position * 128, (position + 1) * 128)
        expect(words(logits!), `position ${position}`).toEqual(expected)
      }
    },
  )

  test('the whole text gives the same bits however far it is padded', async () => {
    const { model, weights } = await prepared(base)
    const whole = await prefill(model, weights, text)
    for (const length of [1, 4, 9])
      expect(await prefill(model, weights, text.subarray(0, length))).toEqual(
        whole.subarray(0, length * 128),
      )
  })

  test('the weights are chances by the temperature', async () => {
    const { model, weights } = await prepared({ ...base, layers: 1 })
    await using run = await reference.prepare(decodingGraph(model))
    weights.forEach((bytes, index) =>
      run.writeState(
        index,
        bytes.map((byte) => byte),
      ),
    )
    const [logits, chances] = run.step(batchOf(Uint32Array.of(9), 0, 0.01))
    const values = floats(logits!)
    const greatest = Math.max(...values)
    words(chances!).forEach((chance, token) => {
      const expected = Math.exp((values[token]! - greatest) / 0.01)
      expect(chance / 2 ** 30).toBeCloseTo(expected, 4)
    })
  })
})

describe('startGenerator', () => {
  test('continues as reading the whole text again for each token would', async () => {
    const found = await generated(base, { maxTokens: 4 })
    const { model, weights } = await prepared(base)
    let all = text
    for (let i = 0; i < 4; i++) {
      const last = floatsOf((await prefill(model, weights, all)).slice(-128))
      all = Uint32Array.of(...all, last.indexOf(Math.max(...last)))
    }
    expect(found).toEqual([...all.subarray(text.length)])
  })

  test('the width in which a prompt is read changes nothing', async () => {
    const options = { maxTokens: 3, temperature: 1, seed: [4, 4] } as const
    const one = await generated(base, options)
    for (const prefillWidth of [3, 9])
      expect(await generated(base, options, prefillWidth)).toEqual(one)
  })

  test('the same seed gives the same text, also the second time; another seed another', async () => {
    const options = { maxTokens: 6, temperature: 1, topK: 50, topP: 0.9 } as const
    const first = await generated(base, { ...options, seed: [1, 1] })
    expect(await generated(base, { ...options, seed: [1, 1] })).toEqual(first)
    expect(await generated(base, { ...options, seed: [1, 2] })).not.toEqual(first)
    expect(first).toHaveLength(6)
  })

  test('ends after the stop token', async () => {
    const [first] = await generated(base, { maxTokens: 5 })
    expect(await generated(base, { maxTokens: 5, stopToken: first! })).toEqual([first])
  })

  test('refuses prompts that are empty, too long or not tokens', async () => {
    const { model, weights } = await prepared(base)
    await using generator = await startGenerator({ backend: reference, model, weights })
    const attempt = (prompt: Uint32Array, maxTokens: number) => () =>
      generator.generate(prompt, { maxTokens })
    expect(attempt(new Uint32Array(), 1)).toThrow('prompt is empty')
    expect(attempt(text, 9)).toThrow('do not fit 18 positions')
    expect(attempt(Uint32Array.of(128), 1)).toThrow('Token 128')
  })
})

async function prepared(config: Decoder) {
  const model = decoder(config)
  // The drawn weights are small: larger ones make larger differences.
  const drawn = await drawParameters({ backend: reference }, { ...model, seed: [5, 6] })
  const weights = drawn.map((bytes, index) =>
    model.parameters[index]!.isTrained
      ? bytesOfFloats(floats(bytes).map((x) => (x === 1 ? x : 8 * x)))
      : bytes,
  )
  return { model, weights }
}

async function prefill(model: Model, weights: readonly Uint8Array[], tokens: Uint32Array) {
  const slot = input('batch', 'tokens', 'u32', [1, tokens.length])
  const [logits] = await evaluate([model.logits(slot)], {
    state: model.parameters.map((parameter, index) => [parameter.slot, weights[index]!]),
    batch: [[slot, bytesOf(tokens)]],
  })
  return words(logits!)
}

async function generated(config: Decoder, options: GenerateOptions, prefillWidth = 1) {
  const ports = { backend: reference, ...(await prepared(config)) }
  await using generator = await startGenerator(ports, { prefillWidth })
  return [...generator.generate(text, options)]
}

function batchOf(tokens: Uint32Array, position: number, temperature = 1) {
  return [bytesOf(tokens), bytesOf(Uint32Array.of(position)), bytesOfFloats([temperature])]
}

function floatsOf(patterns: Uint32Array): Float32Array {
  return new Float32Array(patterns.slice().buffer)
}
