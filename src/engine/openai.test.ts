import { describe, expect, test } from 'vitest'
import { startUpstream, type Fault, type Flavour } from '../../test/startUpstream.ts'
import { codeOf, messageOf } from '../runtime/Errors.ts'
import { systemClock } from '../runtime/systemClock.ts'
import * as Hex from '../protocol/Hex.ts'
import { collect, engineCompliance, requestOf } from './engineCompliance.ts'
import type { Engine } from './Engine.ts'
import { memoryEngine } from './memoryEngine.ts'
import { openaiEngine } from './openai.ts'

const clock = systemClock()

describe('openaiEngine', () => {
  const flavours: readonly Flavour[] = ['vllm', 'ollama', 'llama-server']
  describe.each(flavours)('in front of %s', (flavour) => {
    engineCompliance(
      async () => {
        const model = memoryEngine({ clock }, { tokenMs: 1 })
        // Ollama ignores the wish for log-probabilities; the others fulfil it.
        const upstream = await startUpstream(scoring(model, flavour === 'ollama' ? 0 : 3), {
          flavour,
        })
        const engine = await openaiEngine({ clock }, { url: upstream.url })
        return { engine: closingBoth(engine, upstream), prompt: 'The ', busy: upstream.active }
      },
      { tokenIds: false },
    )
  })

  test('promises nothing about an upstream it cannot see into', async () => {
    await using upstream = await startUpstream(memoryEngine({ clock }))
    await using engine = await openaiEngine({ clock }, { url: `${upstream.url}/v1/` })
    expect(engine.models).toEqual([
      {
        id: 'memory',
        weights: Hex.zero,
        quantisation: 'unknown',
        build: 'openai upstream vllm',
        contextTokens: 4096,
        tiers: ['unverified'],
      },
    ])
  })

  test('keeps its connection and sends its key', async () => {
    await using upstream = await startUpstream(memoryEngine({ clock }))
    await using engine = await openaiEngine({ clock }, { url: upstream.url, apiKey: 'sk-1' })
    for (let i = 0; i < 5; i++) await collect(engine, requestOf({ engine, prompt: 'a' }))
    expect(upstream.connections()).toBe(1)
    expect(upstream.lastHeaders().authorization).toBe('Bearer sk-1')
  })

  test('passes log-probabilities on, of chats and of texts', async () => {
    await using upstream = await startUpstream(scoring(memoryEngine({ clock }), 3))
    await using engine = await openaiEngine({ clock }, { url: upstream.url })
    const request = { ...requestOf({ engine, prompt: 'a' }), maxTokens: 2, logprobs: 2 }
    const messages = [{ role: 'user' as const, content: 'a' }]
    for (const input of [request.input, { kind: 'chat' as const, messages }]) {
      const { logprobs, text } = await collect(engine, { ...request, input })
      expect(logprobs.map(({ token }) => token).join('')).toBe(text)
      const [entry] = logprobs
      expect(entry).toEqual({
        token: entry?.token,
        logprob: -0.25,
        top: [
          { token: entry?.token, logprob: -0.25 },
          { token: 'no', logprob: -1.5 },
        ],
      })
    }
  })

  const faults: readonly (readonly [Fault, RegExp])[] = [
    ['garbage-event', /not an answer/],
    ['html', /middle of its answer/],
    ['cut', /broke off/],
    ['silent', /silent for too long/],
    ['error-event', /failed in the middle[^]*out of memory/],
    ['error-status', /HTTP status 503[^]*the queue is full/],
    ['no-usage', /how many tokens/],
    ['no-finish', /middle of its answer/],
    ['too-many-tokens', /more tokens than it was asked for/],
    ['endless', /more than the answer can need|does not end|not an answer/],
    ['content-filter', /cannot be sold[^]*content_filter/],
    ['ignores-stop', /does not honour stop strings/],
  ]
  test.each(faults)('turns %s into an error without an end', async (fault, message) => {
    await using upstream = await startUpstream(memoryEngine({ clock }))
    const { url } = upstream
    await using engine = await openaiEngine({ clock }, { url })
    // The others are told of what happened, however long the machine takes to tell it.
    const limits = fault === 'silent' ? { idleMs: 100 } : {}
    await using asked = await openaiEngine({ clock }, { url, limits })
    const request = { ...requestOf({ engine, prompt: 'a' }), maxTokens: 6 }
    const { text } = await collect(engine, request)
    upstream.fault = fault
    const stop = fault === 'ignores-stop' ? [text.slice(8, 12)] : []
    const error = await collect(asked, { ...request, stop }).catch((thrown: unknown) => thrown)
    expect(codeOf(error)).toBe('Engine.EngineError')
    expect((error as Error).message).toMatch(message)
    await expect.poll(upstream.active).toBe(0)

    upstream.fault = 'none'
    expect((await collect(engine, request)).text).toBe(text)
  })

  test('does not wait for a server that never closes a complete answer', async () => {
    await using upstream = await startUpstream(memoryEngine({ clock }))
    await using engine = await openaiEngine({ clock }, { url: upstream.url })
    upstream.fault = 'never-closes'
    const result = await collect(engine, requestOf({ engine, prompt: 'a' }))
    expect(result.finishReason).toBe('length')
  })

  test('says what is wrong with an address', async () => {
    const open = (url: string) => openaiEngine({ clock }, { url })
    await expect(open('ftp://example.org')).rejects.toThrow('not an HTTP URL')
    await expect(open('http://127.0.0.1:1')).rejects.toThrow('cannot be reached')
    await using upstream = await startUpstream(memoryEngine({ clock }))
    const missing = openaiEngine({ clock }, { url: upstream.url, models: ['other'] })
    await expect(missing).rejects.toThrow('Missing: other')
    await expect(open(`${upstream.url}/elsewhere`)).rejects.toThrow('HTTP status')
  })

  test('never repeats an API key or a password in an error', async () => {
    const url = 'http://user:secret-1@127.0.0.1:1'
    const error = await openaiEngine({ clock }, { url, apiKey: 'secret-2' }).catch(
      (thrown: unknown) => thrown,
    )
    expect(`${messageOf(error)} ${(error as Error).message}`).not.toContain('secret')
  })
})

function closingBoth(engine: Engine, upstream: AsyncDisposable): Engine {
  return {
    models: engine.models,
    complete: (request, options) => engine.complete(request, options),
    async [Symbol.asyncDispose]() {
      await engine[Symbol.asyncDispose]()
      await upstream[Symbol.asyncDispose]()
    },
  }
}

/** Scores every token the same, with so many alternatives; with none, as a server that cannot. */
function scoring(engine: Engine, alternatives: number): Engine {
  return {
    ...engine,
    async *complete(request, options) {
      for await (const event of engine.complete({ ...request, logprobs: 0 }, options)) {
        if (event.type === 'completion-end' || alternatives === 0) yield event
        else {
          const token = event.delta.text
          const others = ['no', 'maybe'].map((other, i) => ({ token: other, logprob: -1.5 - i }))
          const top = [...others, { token, logprob: -0.25 }]
          yield { ...event, delta: { ...event.delta, logprobs: [{ ...top[2]!, top }] } }
        }
      }
    },
  }
}
