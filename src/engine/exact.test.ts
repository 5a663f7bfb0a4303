import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { randomLlama } from '../../test/randomLlama.ts'
import { smallTokenizer } from '../../test/smallTokenizer.ts'
import * as RunRoot from '../exact/commit/RunRoot.ts'
import * as StateRoot from '../exact/commit/StateRoot.ts'
import { cidOf } from '../exact/encode.ts'
import { tokensIn } from '../exact/generate/generationGraph.ts'
import { rootOf } from '../exact/judgeable.ts'
import { replay } from '../exact/run/replay.ts'
import { reference } from '../exact/reference.ts'
import { startWasm, type Wasm } from '../exact/wasm/startWasm.ts'
import { fromBytes } from '../exact/weights/ByteSource.ts'
import * as DecoderSafetensors from '../exact/weights/DecoderSafetensors.ts'
import { loadDecoder } from '../exact/weights/loadDecoder.ts'
import * as Hex from '../protocol/Hex.ts'
import { codeOf } from '../runtime/Errors.ts'
import { collect, engineCompliance, requestOf } from './engineCompliance.ts'
import { UnknownModelError, type CompletionEvent } from './Engine.ts'
import { exactEngine, type ExactEngine } from './exact.ts'

const shape = { layers: 1, width: 32, hidden: 48 }
const prompt = 'the loom'
let folder: string
let path: string
let wasm: Wasm

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weft-exact-'))
  path = join(folder, 'small.gguf')
  await writeFile(path, randomLlama(shape))
  wasm = await startWasm({ threads: 1 })
})
afterAll(async () => {
  await wasm[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

const open = (options: Partial<exactEngine.Options> = {}) =>
  exactEngine({ backend: wasm }, { path, contextTokens: 256, ...options })

async function endOf(engine: ExactEngine, changes: object = {}) {
  const request = { ...requestOf({ engine, prompt }), ...changes }
  const { events, ...result } = await collect(engine, request)
  const end = events.at(-1) as Extract<CompletionEvent, { type: 'completion-end' }>
  return { ...result, request, exact: end.exact! }
}

describe('exactEngine', () => {
  engineCompliance(async () => ({ engine: await open(), prompt }), { tokenIds: true, topP: false })
  engineCompliance(async () => ({ engine: await open({ concurrency: 2 }), prompt }), {
    tokenIds: true,
    topP: false,
  })

  test('names the arithmetic that it promises, and sells what can be claimed', async () => {
    await using engine = await open({ id: 'loom' })
    expect(engine.models).toMatchObject([
      { id: 'loom', weights: Hex.sha256(randomLlama(shape)), quantisation: 'F32' },
    ])
    expect(engine.models[0]!.build).toMatch(/^weft-exact 1 f32 [0-9a-f]{64}$/)
    expect(engine.models[0]!.tiers).toContain('exact')
  })

  test('says which run made an answer, as whoever repeats it finds', async () => {
    await using engine = await open()
    const changes = { temperatureMicro: 800_000, seed: 7, maxTokens: 9 }
    const { exact, request, usage, tokenIds } = await endOf(engine, changes)
    const { graph, start, seed } = engine.sourceOf(request)
    expect(exact).toMatchObject({
      graph: Hex.from(rootOf(graph)),
      start: Hex.from(StateRoot.from(graph.state, start)),
      data: Hex.zero,
      seed: [7, 0],
      steps: usage.inputTokens + usage.outputTokens - 1,
    })
    expect(cidOf(graph)).toMatch(/^b/)
    const run = RunRoot.start()
    let end: Uint8Array = new Uint8Array(0)
    let text: Uint32Array | undefined
    for await (const step of replay({ backend: wasm }, { graph, start, steps: exact.steps })) {
      run.push((end = step.root))
      text = tokensIn(
        graph,
        graph.state.map((_, slot) => step.readState(slot)),
      )
    }
    expect({ run: Hex.from(run.root()), end: Hex.from(end) }).toEqual({
      run: exact.run,
      end: exact.end,
    })
    expect(Array.from(text!.slice(usage.inputTokens))).toEqual(tokenIds)
    expect(seed).toEqual([7, 0])
  })

  test('gives the same run on the reference back end', async () => {
    const small = join(folder, 'tiny.gguf')
    await writeFile(small, randomLlama({ layers: 1, width: 8, hidden: 8 }))
    await using one = await exactEngine({ backend: wasm }, { path: small, contextTokens: 16 })
    await using other = await exactEngine(
      { backend: reference },
      { path: small, contextTokens: 16 },
    )
    const changes = {
      maxTokens: 2,
      temperatureMicro: 500_000,
      input: { kind: 'text', prompt: 'a' },
    }
    expect((await endOf(one, changes)).exact).toEqual((await endOf(other, changes)).exact)
    expect(one.models).toEqual(other.models)
  })

  test('repeats a run of just so many steps', async () => {
    await using engine = await open()
    const { exact, request } = await endOf(engine)
    const { signal } = new AbortController()
    expect(await engine.exactRun(request, { steps: exact.steps, signal })).toEqual(exact)
    const longer = await engine.exactRun(request, { steps: exact.steps + 1, signal })
    expect(longer).toMatchObject({ graph: exact.graph, start: exact.start, steps: exact.steps + 1 })
    expect(longer.run).not.toBe(exact.run)
    const aborted = { steps: 5, signal: AbortSignal.abort(new Error('enough')) }
    await expect(engine.exactRun(request, aborted)).rejects.toThrow('enough')
  })

  test('counts the steps to the stop string', async () => {
    await using engine = await open()
    const { text } = await endOf(engine, { maxTokens: 24 })
    const stopped = await endOf(engine, { maxTokens: 24, stop: [text.slice(6, 9)] })
    const { inputTokens, outputTokens } = stopped.usage
    expect(stopped.exact.steps).toBe(inputTokens + outputTokens - 1)
    expect(stopped.finishReason).toBe('stop')
  })

  test('gives the same tokens whatever length it is computed in', async () => {
    await using engine = await open()
    const short = await endOf(engine, { maxTokens: 20 })
    const long = await endOf(engine, { maxTokens: 200 })
    expect(long.tokenIds.slice(0, 20)).toEqual(short.tokenIds)
    expect(long.exact.graph).not.toBe(short.exact.graph)
    // A third length takes the place of the first; its weights are still those of the file.
    const middle = await endOf(engine, { maxTokens: 100 })
    expect(middle.tokenIds.slice(0, 20)).toEqual(short.tokenIds)
    expect((await endOf(engine, { maxTokens: 20 })).exact).toEqual(short.exact)
    const bytes = fromBytes(randomLlama(shape))
    const loaded = await loadDecoder({ backend: wasm }, { sources: [bytes] }, { positions: 64 })
    const { start } = engine.sourceOf(short.request)
    loaded.weights.forEach((weights, slot) => expect(start[slot]).toEqual(weights))
  })

  test('says what it cannot do, and what to ask instead', async () => {
    await using engine = await open()
    const failure = (changes: object) => endOf(engine, changes).catch((error: unknown) => error)
    const topP = await failure({ topPMicro: 900_000, temperatureMicro: 1 })
    expect(codeOf(topP)).toBe('Engine.UnsupportedError')
    expect(String(topP)).toMatch('top_p 1')
    expect(codeOf(await failure({ logprobs: 1 }))).toBe('Engine.UnsupportedError')
    expect(codeOf(await failure({ maxTokens: 250 }))).toBe('Engine.ContextLengthError')
    const greedy = await endOf(engine, { topPMicro: 900_000 })
    expect(greedy.exact.run).toBe((await endOf(engine)).exact.run)
    const request = { ...requestOf({ engine, prompt }), model: 'other' }
    expect(() => engine.sourceOf(request)).toThrow(UnknownModelError)
  })

  test('serves a folder as Hugging Face publishes it', async () => {
    const place = join(folder, 'published')
    await mkdir(place)
    const tokenizer = smallTokenizer(20)
    const names = Object.keys(tokenizer.model.vocab)
    const bytes = fromBytes(randomLlama({ ...shape, extraTokens: 30 }))
    const loaded = await loadDecoder({ backend: wasm }, { sources: [bytes] })
    const { config, file } = DecoderSafetensors.write(loaded)
    await writeFile(join(place, 'model.safetensors'), file)
    await writeFile(join(place, 'config.json'), JSON.stringify({ ...config, eos_token_id: 1 }))
    await writeFile(join(place, 'tokenizer.json'), JSON.stringify(tokenizer))
    const settings = { bos_token: '<s>', eos_token: { content: '</s>' } }
    await writeFile(join(place, 'tokenizer_config.json'), JSON.stringify(settings))
    await using engine = await open({ path: place })
    expect(engine.models[0]!.id).toBe('published')
    const { usage, tokenIds } = await endOf(engine, {
      input: { kind: 'text', prompt: 'to be </s>' },
    })
    expect(names.length).toBeGreaterThan(250)
    // The start, "to", " be", " " and the letters of "</s>", which is no end in a plain text.
    expect(usage.inputTokens).toBeGreaterThan(5)
    expect(tokenIds.length).toBeGreaterThan(0)
    const { weights } = engine.models[0]!
    await writeFile(join(place, 'tokenizer_config.json'), JSON.stringify({ bos_token: '<s>' }))
    await using other = await open({ path: place })
    expect(other.models[0]!.weights).not.toBe(weights)
  })

  test.each([
    ['is not there', 'missing.gguf', undefined],
    ['is no model', 'words.gguf', 'words'],
  ])('refuses a file that %s', async (_, name, content) => {
    if (content !== undefined) await writeFile(join(folder, name), content)
    await expect(open({ path: join(folder, name) })).rejects.toThrow(/GGUF|model/)
  })

  test('refuses an empty folder', async () => {
    const place = join(folder, 'empty')
    await mkdir(place)
    await expect(open({ path: place })).rejects.toThrow('Fix: a folder of a model has config.json')
  })
})
