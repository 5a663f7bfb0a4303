import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtemp, readFile, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, describe, expect, test } from 'vitest'
import { randomLlama } from '../../test/randomLlama.ts'
import type * as Completion from '../protocol/Completion.ts'
import { codeOf } from '../runtime/Errors.ts'
import { collect, drain, engineCompliance } from './engineCompliance.ts'
import { projectTexts, writeFirstModel } from './firstModel.ts'
import { buildOf, llamaCppEngine, startLlama } from './llamaCpp.ts'

const folder = await mkdtemp(join(tmpdir(), 'weft-engine-'))
const first = join(folder, 'first.gguf')
const random = join(folder, 'random.gguf')
await writeFirstModel(first, { texts: await projectTexts('.') })
await writeFile(random, randomLlama())
const shared = await llamaCppEngine({ path: random, threads: 1, concurrency: 5 })
afterAll(() => shared[Symbol.asyncDispose]())

const longPrompt = 'To be or not to be, that is the question. '.repeat(14)
const ask = (changes: Partial<Completion.Request> = {}): Completion.Request => ({
  model: 'random',
  input: { kind: 'text', prompt: longPrompt },
  maxTokens: 24,
  temperatureMicro: 1_000_000,
  topPMicro: 1_000_000,
  seed: 3,
  stop: [],
  logprobs: 5,
  ...changes,
})

describe('llamaCppEngine', () => {
  engineCompliance(
    async () => ({
      engine: await llamaCppEngine({ path: first, threads: 1, concurrency: 2 }),
      prompt: 'The ',
    }),
    { tokenIds: true },
  )

  test('knows its file', async () => {
    await using engine = await llamaCppEngine({ path: first, id: 'weft-first' })
    const digest = createHash('sha256')
      .update(await readFile(first))
      .digest('hex')
    const [model] = engine.models
    expect(model).toMatchObject({
      id: 'weft-first',
      weights: `0x${digest}`,
      quantisation: 'F32',
      contextTokens: 4096,
    })
    expect(model?.build).toMatch(/^llama\.cpp \S+ cpu \S+ sampler 1$/)
  })

  test('gives bit-equal scores alone, beside other jobs and after them', async () => {
    const engine = shared
    const alone = await collect(engine, ask())
    const others = [1, 2, 3, 4].map((seed) => {
      const input = { kind: 'text' as const, prompt: longPrompt.slice(seed * 37) }
      return collect(engine, ask({ seed, input }))
    })
    expect(await collect(engine, ask())).toEqual(alone)
    await Promise.all(others)
    for (let i = 0; i < 3; i++) expect(await collect(engine, ask())).toEqual(alone)
  })

  test('gives bit-equal scores with other threads and another size of context', async () => {
    // Short, because threads that wait for each other crawl where tests share the cores.
    const input = { kind: 'text' as const, prompt: longPrompt.slice(0, 90) }
    const short = ask({ input, maxTokens: 4 })
    const { logprobs } = await collect(shared, short)
    await using other = await llamaCppEngine({ path: random, threads: 2, contextTokens: 1024 })
    expect((await collect(other, short)).logprobs).toEqual(logprobs)
  })

  test('gives bit-equal scores in another process', async () => {
    const { logprobs, tokenIds } = await collect(shared, ask())
    const program = `
      import { llamaCppEngine } from ${JSON.stringify(join(import.meta.dirname, 'llamaCpp.ts'))}
      const engine = await llamaCppEngine({ path: ${JSON.stringify(random)}, threads: 1 })
      const deltas = []
      for await (const event of engine.complete(${JSON.stringify(ask())}, { signal: new AbortController().signal }))
        if (event.type === 'completion-delta') deltas.push(event.delta)
      console.log(JSON.stringify({
        logprobs: deltas.flatMap((delta) => delta.logprobs),
        tokenIds: deltas.flatMap((delta) => delta.tokenIds),
      }))
      process.exit(0)`
    const file = join(folder, 'program.mts')
    await writeFile(file, program)
    const { stdout } = await promisify(execFile)(process.execPath, [file])
    expect(JSON.parse(stdout)).toEqual({ logprobs, tokenIds })
  })

  test('chooses the same tokens whether or not their log-probabilities are wanted', async () => {
    const engine = shared
    for (const temperatureMicro of [0, 700_000, 1_500_000]) {
      const changes = { temperatureMicro, topPMicro: 900_000 }
      const { tokenIds } = await collect(engine, ask({ ...changes, logprobs: 0 }))
      expect((await collect(engine, ask({ ...changes, logprobs: 1 }))).tokenIds).toEqual(tokenIds)
    }
  })

  test('gives log-probabilities that are those of a distribution', async () => {
    await using engine = await llamaCppEngine({ path: first, threads: 1 })
    const { logprobs } = await collect(
      engine,
      ask({ model: 'first', input: { kind: 'text', prompt: 'The pro' }, logprobs: 20 }),
    )
    for (const { top } of logprobs) {
      const sum = top.reduce((total, { logprob }) => total + Math.exp(logprob), 0)
      expect(sum).toBeGreaterThan(0.5)
      expect(sum).toBeLessThanOrEqual(1.00001)
    }
  })

  test('delivers whole characters, and their tokens together', async () => {
    const engine = shared
    const result = await collect(engine, ask({ maxTokens: 200, logprobs: 0, seed: 11 }))
    const bytes = Buffer.from(result.tokenIds.filter((id) => id < 256))
    expect(result.text).toBe(bytes.toString('utf8'))
    expect(result.usage.outputTokens).toBe(result.tokenIds.length)
  })

  test('uses exactly the context it says, and refuses more', async () => {
    await using engine = await llamaCppEngine({ path: random, threads: 1, contextTokens: 256 })
    const input = { kind: 'text' as const, prompt: 'x'.repeat(240) }
    const result = await collect(engine, ask({ input, maxTokens: 15, logprobs: 0 }))
    expect(result.usage).toEqual({ inputTokens: 241, outputTokens: 15 })
    const error = await collect(engine, ask({ input, maxTokens: 16 })).catch((e: unknown) => e)
    expect(codeOf(error)).toBe('Engine.ContextLengthError')
    expect((error as Error).message).toContain('Prompt: 241 tokens')
  })

  test('writes a conversation with the template of the model, control tokens included', async () => {
    const path = join(folder, 'chatty.gguf')
    const chatTemplate =
      "{{ bos_token }}{% for m in messages %}{% if m.role == 'tool' %}{{ raise_exception('no tools') }}" +
      '{% endif %}[{{ m.role }}]{{ m.content }}{% endfor %}[assistant]'
    await writeFile(path, randomLlama({ chatTemplate }))
    await using engine = await llamaCppEngine({ path, threads: 1 })
    const chat = (role: 'user' | 'tool' | 'developer') =>
      ask({
        model: 'chatty',
        input: { kind: 'chat', messages: [{ role, content: 'Hi' }] },
        logprobs: 0,
      })
    const text = (prompt: string) =>
      ask({ model: 'chatty', input: { kind: 'text', prompt }, logprobs: 0 })
    expect(await collect(engine, chat('user'))).toEqual(
      await collect(engine, text('[user]Hi[assistant]')),
    )
    expect(await collect(engine, chat('developer'))).toEqual(
      await collect(engine, text('[system]Hi[assistant]')),
    )
    const error = await collect(engine, chat('tool')).catch((e: unknown) => e)
    expect(codeOf(error)).toBe('Engine.UnsupportedError')
    expect((error as Error).message).toContain('no tools')
  })

  test('takes control tokens in a text prompt as text', async () => {
    const engine = shared
    const input = { kind: 'text' as const, prompt: '</s><s>' }
    const { usage } = await collect(engine, ask({ input, maxTokens: 1 }))
    expect(usage.inputTokens).toBe(8)
  })

  test('waits in line when all contexts are in use, and leaves the line when aborted', async () => {
    await using engine = await llamaCppEngine({ path: random, threads: 1, concurrency: 1 })
    const controller = new AbortController()
    const running = collect(engine, ask({ maxTokens: 40, logprobs: 0 }))
    const waiting = drain(engine.complete(ask(), { signal: controller.signal }))
    controller.abort(new Error('no longer'))
    await expect(waiting).rejects.toThrow('no longer')
    expect((await running).usage.outputTokens).toBe(40)
  })

  test('closes while a job runs: the job fails, nothing hangs', async () => {
    const engine = await llamaCppEngine({ path: random, threads: 1 })
    const job = collect(engine, ask({ maxTokens: 2000, logprobs: 0 })).catch((e: unknown) => e)
    await engine.complete(ask(), { signal: new AbortController().signal }).next()
    await engine[Symbol.asyncDispose]()
    expect(codeOf(await job)).toBe('Engine.EngineError')
    const error = await collect(engine, ask()).catch((e: unknown) => e)
    expect(codeOf(error)).toBe('Engine.EngineError')
  })

  const broken: readonly (readonly [string, (path: string) => Promise<void>, RegExp])[] = [
    ['is empty', (path) => truncate(path, 0), /too short/],
    ['is something else', (path) => writeFile(path, 'PK\u0003\u0004 archive'), /start with "GGUF"/],
    ['ends in its header', (path) => truncate(path, 3000), /ends inside its header/],
    ['ends in its weights', (path) => truncate(path, 300_000), /cut short/],
  ]
  test.each(broken)('refuses a file that %s', async (_, damage, reason) => {
    const path = join(folder, 'broken.gguf')
    await writeFile(path, randomLlama({ layers: 1 }))
    await damage(path)
    const error = await llamaCppEngine({ path }).catch((e: unknown) => e)
    expect(codeOf(error)).toBe('Gguf.InvalidError')
    expect((error as Error).message).toMatch(reason)
  })

  test('refuses a file that is not there, and a model that llama.cpp does not know', async () => {
    const missing = llamaCppEngine({ path: join(folder, 'nowhere.gguf') })
    await expect(missing).rejects.toThrow('cannot be opened')
    const path = join(folder, 'unknown.gguf')
    const bytes = Buffer.from(randomLlama({ layers: 1 }))
    bytes.write('lxxxa', bytes.indexOf('llama'))
    await writeFile(path, bytes)
    const error = await llamaCppEngine({ path }).catch((e: unknown) => e)
    expect(codeOf(error)).toBe('Engine.EngineError')
    expect((error as Error).message).toContain('does not load this model')
  })
})

describe('startLlama', () => {
  test('says how to get llama.cpp where it is missing', async () => {
    const gpuFolder = await mkdtemp(join(tmpdir(), 'weft-gpu-'))
    const entry = join(gpuFolder, 'node_modules', 'node-llama-cpp', 'dist')
    await promisify(execFile)('mkdir', ['-p', entry])
    await writeFile(join(entry, 'index.js'), 'throw new Error("libcuda is missing")')
    const error = await startLlama({ gpuFolder }).catch((e: unknown) => e)
    expect(codeOf(error)).toBe('LlamaCpp.MissingError')
    expect((error as Error).message).toContain('libcuda is missing')
    await using llama = await startLlama({ gpuFolder, gpu: false })
    expect(llama.gpu).toBe(false)
  })
})

describe('buildOf', () => {
  test('names release, backend and the processor code in use', async () => {
    const llama = {
      llamaCppRelease: { repo: 'ggml-org/llama.cpp', release: 'v1' },
      gpu: false as const,
      systemInfo: 'CPU : AVX = 1 | AVX2 = 0 | FMA = 1 |',
      getGpuDeviceNames: async () => ['NVIDIA A10'],
    }
    expect(await buildOf(llama)).toBe('llama.cpp v1 cpu AVX+FMA sampler 1')
    const expected = 'llama.cpp v1 cuda NVIDIA A10 and cpu AVX+FMA sampler 1'
    expect(await buildOf({ ...llama, gpu: 'cuda' })).toBe(expected)
  })
})
