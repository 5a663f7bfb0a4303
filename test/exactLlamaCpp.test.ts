/** The exact engine against llama.cpp: the same file, the same text, the same scores. */
import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { batchOf } from '../src/exact/data.ts'
import * as Graph from '../src/exact/Graph.ts'
import { type Decoder, decoder } from '../src/exact/models/decoder.ts'
import { input } from '../src/exact/Tensor.ts'
import * as Tokenizer from '../src/exact/Tokenizer.ts'
import { bytesOf, drawParameters, startRun } from '../src/exact/train/startRun.ts'
import { decoderTrainingGraph } from '../src/exact/train/trainingGraph.ts'
import { startWasm } from '../src/exact/wasm/startWasm.ts'
import type { DecoderWeights } from '../src/exact/weights/assembleDecoder.ts'
import { fromBytes } from '../src/exact/weights/ByteSource.ts'
import * as DecoderGguf from '../src/exact/weights/DecoderGguf.ts'
import { loadDecoder } from '../src/exact/weights/loadDecoder.ts'
import { ggufTokenizer } from '../src/exact/weights/ggufTokenizer.ts'
import { llamaLogits, llamaTokens } from './llamaLogits.ts'
import { smallTokenizer } from './smallTokenizer.ts'

const folder = await mkdtemp(join(tmpdir(), 'weft-truth-'))
const backend = await startWasm()
afterAll(() => backend[Symbol.asyncDispose]())

// A text that never changes. The models learn it by heart, so that they have opinions.
const text = (await readFile('LICENSE')).subarray(-1000)
const tokens = Uint32Array.from(text)

const base: Decoder = {
  vocabulary: 256,
  width: 64,
  layers: 2,
  heads: 4,
  keyHeads: 2,
  headSize: 16,
  hidden: 160,
  feedForward: 'swiglu',
  positions: 1024,
  rotaryBase: 10_000,
  epsilon: 1e-5,
  isTied: true,
  profiles: { attention: 'f32', feedForward: 'f32', head: 'f32' },
}

const llama: Recipe = { config: { ...base, isTied: false }, steps: 125, rate: 0.005 }
const arcee: Recipe = { config: { ...base, feedForward: 'relu-squared' }, steps: 150, rate: 0.01 }

describe('the same GGUF in llama.cpp', () => {
  test.each([
    ['llama: SwiGLU, a head of its own', llama],
    ['arcee: squared ReLU, tied head', arcee],
  ])('gives the same most likely token at each of 1,000 positions: %s', async (_, recipe) => {
    const file = await save(await train(recipe), 'F32')
    const theirs = await llamaLogits(file.path, { tokens, vocabulary: 256 })
    const found = compare(await logitsOf(await load(file.bytes)), theirs)
    expect(found.positions).toBe(1000)
    expect(found.tokens).toBeGreaterThan(15)
    expect(found.largestDifference).toBeLessThan(1e-3)
    // Where two tokens are as good as equal, another processor's llama.cpp may find the other one. These
    // models were picked for having no such place: their two best are nowhere closer than 0.003.
    expect(found.undecided).toBeLessThan(4)
    expect(found.otherChoices).toBeLessThanOrEqual(found.undecided)
  })

  test('agrees on Q8_0 as far as its rounded activations let it', async () => {
    const file = await save(await train(llama), 'Q8_0')
    const theirs = await llamaLogits(file.path, { tokens, vocabulary: 256 })
    const found = compare(await logitsOf(await load(file.bytes)), theirs)
    expect(found.largestDifference).toBeLessThan(0.5)
    expect(found.otherChoices).toBeLessThan(20)
  })
})

describe('the tokenizer of a GGUF in llama.cpp', () => {
  test('makes the tokens that the tokenizer.json makes', async () => {
    const file = smallTokenizer(25)
    const ours = Tokenizer.fromHuggingFace(file)
    const { vocabulary } = ours
    const config = { bos_token: '<s>', eos_token: '</s>' }
    const model = decoder({ ...base, vocabulary, positions: 8 })
    const weights = await drawParameters({ backend }, { ...model, seed: [1, 1] })
    const tokenizer = ggufTokenizer(file, { config, vocabulary })
    const path = join(folder, 'tokenizer.gguf')
    await writeFile(path, Buffer.concat([...DecoderGguf.write({ model, weights }, { tokenizer })]))
    const texts = ['to be or not to be', "  whether it's  nobler\n\nto be? 12345", 'Größe 漢字 🌍']
    // llama.cpp puts the start before a prompt itself.
    const expected = texts.map((each) => [...ours.encode(each)].slice(1))
    expect(await llamaTokens(path, texts)).toEqual(expected)
  })
})

type Recipe = { readonly config: Decoder; readonly steps: number; readonly rate: number }

const trained = new Map<Recipe, DecoderWeights>()

async function train(recipe: Recipe): Promise<DecoderWeights> {
  const known = trained.get(recipe)
  if (known) return known
  const model = decoder(recipe.config)
  const graph = decoderTrainingGraph(model, {
    rows: 8,
    length: 64,
    optimiser: { kind: 'adamw', weightDecay: 0.1 },
    schedule: { rate: recipe.rate, warmupSteps: 10 },
  })
  const seed = [1, 3] as const
  const { parameters } = model
  await using run = await startRun({ backend }, { graph, parameters, seed })
  for (let step = 0; step < recipe.steps; step++)
    run.step([bytesOf(batchOf(text, { seed, step, rows: 8, length: 65 }))])
  const result = { model, weights: run.state().slice(0, parameters.length) }
  trained.set(recipe, result)
  return result
}

async function save(trained: DecoderWeights, type: 'F32' | 'Q8_0') {
  const { feedForward } = trained.model.config
  const path = join(folder, `${feedForward}-${type}.gguf`)
  const bytes = Buffer.concat([...DecoderGguf.write(trained, { type })])
  await writeFile(path, bytes)
  return { path, bytes }
}

function load(bytes: Uint8Array): Promise<DecoderWeights> {
  return loadDecoder({ backend }, { sources: [fromBytes(bytes)] })
}

async function logitsOf({ model, weights }: DecoderWeights): Promise<readonly Float32Array[]> {
  const slot = input('batch', 'tokens', 'u32', [1, tokens.length])
  const state = model.parameters.map((parameter) => [parameter.slot, parameter.slot] as const)
  const results = { logits: model.logits(slot) }
  await using run = await backend.prepare(Graph.from({ state, batch: [slot], results }))
  weights.forEach((bytes, index) => run.writeState(index, bytes))
  const [logits] = run.step([bytesOf(tokens)])
  const all = new Float32Array(logits!.slice().buffer)
  return Array.from(tokens, (_, at) => all.subarray(at * 256, (at + 1) * 256))
}

/** How far log-probabilities are apart, and what each side finds most likely. */
function compare(ours: readonly Float32Array[], theirs: readonly Float64Array[]) {
  const rows = ours.map((row, position) => {
    const [a, b] = [logProbabilities(row), logProbabilities(theirs[position]!)]
    const [first, second] = b.toSorted((x, y) => y - x)
    return {
      difference: Math.max(...a.map((value, token) => Math.abs(value - b[token]!))),
      lead: first! - second!,
      choices: [a.indexOf(Math.max(...a)), b.indexOf(first!)] as const,
    }
  })
  const largestDifference = Math.max(...rows.map(({ difference }) => difference))
  return {
    positions: theirs.length,
    tokens: new Set(rows.map(({ choices }) => choices[0])).size,
    largestDifference,
    smallestLead: Math.min(...rows.map(({ lead }) => lead)),
    /** Places where a difference of that size could turn the order. */
    undecided: rows.filter(({ lead }) => lead <= 2 * largestDifference).length,
    otherChoices: rows.filter(({ choices }) => choices[0] !== choices[1]).length,
  }
}

function logProbabilities(logits: ArrayLike<number>): readonly number[] {
  const values = Array.from(logits)
  const greatest = Math.max(...values)
  const sum = values.reduce((total, value) => total + Math.exp(value - greatest), 0)
  return values.map((value) => value - greatest - Math.log(sum))
}
