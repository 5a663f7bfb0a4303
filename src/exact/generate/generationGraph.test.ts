import { describe, expect, test } from 'vitest'
import { allIn, bytesOfFloats, floats, tinyDecoder, words } from '../../../test/exactDecoders.ts'
import type { Backend } from '../Backend.ts'
import * as Graph from '../Graph.ts'
import { type Decoder, decoder, type Model } from '../models/decoder.ts'
import * as Ops from '../ops.ts'
import { bitsOf, floatOf } from '../Program.ts'
import { reference } from '../reference.ts'
import { runProgram } from '../reference/runProgram.ts'
import { input } from '../Tensor.ts'
import { bytesOf, drawParameters } from '../train/startRun.ts'
import { startWasm } from '../wasm/startWasm.ts'
import {
  drawToken,
  generationGraph,
  generationState,
  noisyScore,
  tokensIn,
} from './generationGraph.ts'
import { startGenerator } from './startGenerator.ts'

const base: Decoder = { ...tinyDecoder, positions: 14, heads: 4, keyHeads: 2 }
const prompt = Uint32Array.of(3, 100, 7, 64)

describe('generationGraph', () => {
  test.each(['f32', 'i8', 'i8x3'] as const)(
    'places the tokens that greedy generation gives, and leaves the prompt: %s',
    async (profile) => {
      const { model, weights } = await prepared({ ...base, profiles: allIn(profile) })
      await using generator = await startGenerator({ backend: reference, model, weights })
      const expected = [...generator.generate(prompt, { maxTokens: 9 })]
      const { text, results } = await generated(reference, model, { weights, prompt }, 12)
      expect(text).toEqual([...prompt, ...expected])
      expect(results).toEqual(text.slice(1))
    },
  )

  test('ends in the same state on both back ends, with noise', async () => {
    const { model, weights } = await prepared(base)
    await using wasm = await startWasm()
    const options = { weights, prompt, temperature: 0.9, seed: [5, 8] } as const
    const expected = await generated(reference, model, options, 10)
    const found = await generated(wasm, model, options, 10)
    expect(found.state.map(words)).toEqual(expected.state.map(words))
    expect(found.text).toHaveLength(11)
  })

  test('another seed gives another text, the same seed the same', async () => {
    const { model, weights } = await prepared(base)
    const run = async (seed: readonly [number, number]) =>
      (await generated(reference, model, { weights, prompt, temperature: 2, seed }, 9)).text
    expect(await run([1, 1])).toEqual(await run([1, 1]))
    expect(await run([1, 1])).not.toEqual(await run([1, 2]))
  })

  test('steps past the last position change no token', async () => {
    const { model, weights } = await prepared({ ...base, positions: 6 })
    const { text } = await generated(reference, model, { weights, prompt }, 5)
    const { text: more } = await generated(reference, model, { weights, prompt }, 8)
    expect(more).toEqual(text)
    expect(more).toHaveLength(6)
  })

  test('reads no batch', async () => {
    expect(generationGraph(decoder(base)).batch).toEqual([])
  })
})

describe('drawToken', () => {
  test('takes the lowest of the greatest when the temperature is 0, and never NaN', async () => {
    const draw = async (logits: readonly number[]) => (await drawn(reference, logits, 0, 1))[0]
    expect(await draw([0, 3, 1, 3])).toBe(1)
    expect(await draw([-0, 0, -1])).toBe(0)
    expect(await draw([-5, -2, -3])).toBe(1)
    expect(await draw([Number.NaN, 1, Number.NaN, 2])).toBe(3)
    expect(await draw([-Infinity, -3e38])).toBe(1)
    expect(await draw([1, Infinity, Infinity])).toBe(1)
  })

  test.each([1, 0.5])('draws tokens by their chances, temperature %s', async (temperature) => {
    const logits = [0, 1, 2, -1, 0.5, 1.5]
    const draws = 6000
    await using wasm = await startWasm()
    const tokens = await drawn(wasm, logits, temperature, draws)
    const powers = logits.map((logit) => Math.exp(logit / temperature))
    const total = powers.reduce((sum, power) => sum + power)
    const square = powers
      .map((power, token) => {
        const expected = (draws * power) / total
        return (tokens.filter((each) => each === token).length - expected) ** 2 / expected
      })
      .reduce((sum, part) => sum + part)
    // Chi-square with 5 degrees of freedom is over 20.5 once in a thousand.
    expect(square).toBeLessThan(20.5)
  })
})

describe('noisyScore', () => {
  test('is the logit over the temperature and finite noise, for any word', () => {
    const score = (word: number) => floatOf(runProgram(noisyScore, [bitsOf(1), word, bitsOf(0.5)]))
    expect(score(0)).toBeCloseTo(2 - Math.log(24 * Math.LN2), 5)
    expect(score(0xffff_ffff)).toBeCloseTo(2 + 24 * Math.LN2, 5)
    expect(score(0x8000_0000)).toBeCloseTo(2 - Math.log(Math.LN2), 5)
  })
})

describe('generationState', () => {
  test('refuses prompts that are empty, too long or not tokens', async () => {
    const { model, weights } = await prepared(base)
    const attempt = (tokens: Uint32Array) => () =>
      generationState(model, { weights, prompt: tokens })
    expect(attempt(new Uint32Array())).toThrow('prompt is empty')
    expect(attempt(new Uint32Array(14))).toThrow('leave no room in 14')
    expect(attempt(Uint32Array.of(128))).toThrow('Token 128')
  })
})

describe('tokensIn', () => {
  test('is the prompt before any step as far as it was read, and needs a generation', async () => {
    const { model, weights } = await prepared(base)
    const state = generationState(model, { weights, prompt })
    expect([...tokensIn(generationGraph(model), state)]).toEqual([3])
    const x = input('state', 'x', 'f32', [])
    expect(() => tokensIn(Graph.from({ state: [[x, x]] }), [])).toThrow('no generation')
  })
})

async function prepared(config: Decoder) {
  const model = decoder(config)
  const drawnWeights = await drawParameters({ backend: reference }, { ...model, seed: [5, 6] })
  const weights = drawnWeights.map((bytes, index) =>
    model.parameters[index]!.isTrained
      ? bytesOfFloats(floats(bytes).map((x) => (x === 1 ? x : 8 * x)))
      : bytes,
  )
  return { model, weights }
}

async function generated(
  backend: Backend,
  model: Model,
  options: generationState.Options,
  steps: number,
) {
  const graph = generationGraph(model)
  await using executable = await backend.prepare(graph)
  generationState(model, options).forEach((bytes, index) => executable.writeState(index, bytes))
  const results: number[] = []
  for (let step = 0; step < steps; step++) results.push(words(executable.step([])[0]!)[0]!)
  const state = graph.state.map((_, index) => executable.readState(index).slice())
  return { state, results, text: [...tokensIn(graph, state)] }
}

/** Tokens for one step after the other. */
async function drawn(
  backend: Backend,
  logits: readonly number[],
  temperature: number,
  draws: number,
): Promise<readonly number[]> {
  const slot = input('state', 'logits', 'f32', [logits.length])
  const seed = input('batch', 'seed', 'u32', [2])
  const step = input('batch', 'step', 'u32', [])
  const token = drawToken(slot, { seed, step, temperature: Ops.constant(temperature) })
  const graph = Graph.from({ state: [[slot, slot]], batch: [seed, step], results: { token } })
  await using executable = await backend.prepare(graph)
  executable.writeState(0, bytesOfFloats(logits))
  return Array.from({ length: draws }, (_, at) => {
    const batch = [bytesOf(Uint32Array.of(11, 12)), bytesOf(Uint32Array.of(at))]
    return words(executable.step(batch)[0]!)[0]!
  })
}
