import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import type * as Completion from '../protocol/Completion.ts'
import { codeOf } from '../runtime/Errors.ts'
import { collect } from './engineCompliance.ts'
import { firstModel, projectTexts, writeFirstModel, type FirstModel } from './firstModel.ts'
import * as Gguf from '../exact/weights/Gguf.ts'
import { llamaCppEngine } from './llamaCpp.ts'

const texts = await projectTexts('.')

describe('firstModel', () => {
  let model: FirstModel
  beforeAll(() => {
    model = firstModel({ texts })
  })

  test('is small', () => {
    expect(model.bytes.length).toBeLessThan(6_000_000)
  })

  test('gives the same file for the same texts, and another for others', () => {
    expect(firstModel({ texts }).weights).toBe(model.weights)
    const others = [{ texts: texts.slice(1) }, { texts, smoothing: 4 }, { texts, contexts: 64 }]
    const hashes = others.map((options) => firstModel(options).weights)
    expect(new Set([model.weights, ...hashes]).size).toBe(4)
  })

  test('says what it is', () => {
    const header = Gguf.parse(model.bytes)
    expect(Gguf.text(header, 'general.description')).toMatch(/^Not a language model/)
    expect(Gguf.text(header, 'general.architecture')).toBe('llama')
    expect(Gguf.quantisation(header)).toBe('F32')
  })

  test('gives probabilities that sum to one', () => {
    for (const text of ['', 'a', 'th', 'The provider', 'zq', '\u00e4', '\n']) {
      const sum = model.logits(text).reduce((total, logit) => total + Math.exp(logit), 0)
      expect(sum).toBeCloseTo(1, 6)
    }
  })

  test('has counted right', () => {
    const plain = firstModel({ texts: ['ab'.repeat(600)], smoothing: 1e-9 })
    const after = (text: string) => plain.logits(text)
    expect(Math.exp(after('a')['b'.charCodeAt(0)]!)).toBeCloseTo(1, 9)
    // "bab" stands 599 times; after the last one the text ends.
    expect(Math.exp(after('bab')['a'.charCodeAt(0)]!)).toBeCloseTo(598 / 599, 9)
    expect(Math.exp(after('bab')[257]!)).toBeCloseTo(1 / 599, 9)
    expect(Math.exp(after('ab')['a'.charCodeAt(0)]!)).toBeCloseTo(1, 9)
    expect(after('a')['z'.charCodeAt(0)]).toBe(-30)
  })

  test('refuses too little text', () => {
    expect(() => firstModel({ texts: ['short', '\u00e4'.repeat(5000)] })).toThrow('too little text')
    try {
      firstModel({ texts: [] })
    } catch (error) {
      expect(codeOf(error)).toBe('FirstModel.TextError')
    }
  })

  test('has scores in llama.cpp that are its logarithms, to a few millionths', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'weft-first-'))
    const path = join(folder, 'first.gguf')
    await writeFirstModel(path, { texts })
    await using engine = await llamaCppEngine({ path, threads: 1 })
    const prompts = [
      '',
      'a',
      'th',
      ' th',
      'The pro',
      '\n- ',
      '`npm',
      'zq',
      'Na\u00efve',
      'x'.repeat(3000),
    ]
    let worst = 0
    for (const prompt of prompts) {
      const request: Completion.Request = {
        model: 'first',
        input: { kind: 'text', prompt },
        maxTokens: 1,
        temperatureMicro: 0,
        topPMicro: 1_000_000,
        seed: 0,
        stop: [],
        logprobs: 20,
      }
      const expected = model.logits(prompt)
      const { logprobs, tokenIds } = await collect(engine, request)
      const sorted = [...expected].toSorted((a, b) => b - a)
      logprobs[0]?.top.forEach(({ logprob }, rank) => {
        worst = Math.max(worst, Math.abs(logprob - sorted[rank]!))
      })
      if (tokenIds.length > 0) expect(expected[tokenIds[0]!]).toBeCloseTo(sorted[0]!, 5)
    }
    expect(worst).toBeLessThan(1e-5)
  })

  test('writes what looks like the documents, from three bytes on', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'weft-first-'))
    const path = join(folder, 'first.gguf')
    await writeFirstModel(path, { texts })
    await using engine = await llamaCppEngine({ path, threads: 1 })
    const { text } = await collect(engine, {
      model: 'first',
      input: { kind: 'text', prompt: 'The provider ' },
      maxTokens: 300,
      temperatureMicro: 800_000,
      topPMicro: 950_000,
      seed: 5,
      stop: [],
      logprobs: 0,
    })
    expect(text).toMatch(/^[\n\u0020-\u007e]+$/)
    const all = texts.join('\n')
    const pairs = Array.from({ length: text.length - 1 }, (_, i) => text.slice(i, i + 2))
    const known = pairs.filter((pair) => all.includes(pair)).length / Math.max(1, pairs.length)
    expect(known).toBeGreaterThan(0.95)
  })
})

describe('projectTexts', () => {
  test('takes the pages at the root and in docs, in order of their names', async () => {
    const root = await mkdtemp(join(tmpdir(), 'weft-texts-'))
    await mkdir(join(root, 'docs', 'decisions'), { recursive: true })
    await mkdir(join(root, 'node_modules'), { recursive: true })
    await writeFile(join(root, 'b.md'), 'second')
    await writeFile(join(root, 'a.md'), 'first')
    await writeFile(join(root, 'docs', 'decisions', '1.md'), 'third')
    await writeFile(join(root, 'node_modules', 'other.md'), 'not ours')
    expect(await projectTexts(root)).toEqual(['first', 'second', 'third'])
  })
})

describe('writeFirstModel', () => {
  test('writes the file whole and returns its hash', async () => {
    const path = join(await mkdtemp(join(tmpdir(), 'weft-first-')), 'new', 'first.gguf')
    const weights = await writeFirstModel(path, { texts })
    const { bytes, weights: expected } = firstModel({ texts })
    expect(weights).toBe(expected)
    expect((await readFile(path)).equals(bytes)).toBe(true)
  })
})
