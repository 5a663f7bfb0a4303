/** What every engine must do; each adapter's test calls this suite. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type * as Completion from '../protocol/Completion.ts'
import * as CompletionProtocol from '../protocol/Completion.ts'
import { codeOf } from '../runtime/Errors.ts'
import type { CompletionEvent, Engine } from './Engine.ts'

/** What an engine under test is, and what it cannot promise. */
export type Subject = {
  readonly engine: Engine
  /** A prompt whose greedy continuation has at least 24 tokens. */
  readonly prompt: string
  /** How many jobs hold resources of the engine now, where that can be seen. */
  readonly busy?: (() => number) | undefined
}

export type Promises = {
  /** Whether token ids are told. */
  readonly tokenIds: boolean
  /** Whether it draws among the most likely tokens only, when asked to. @default true */
  readonly topP?: boolean | undefined
}

export function engineCompliance(open: () => Promise<Subject>, promises: Promises): void {
  describe('as an engine', () => {
    let subject: Subject
    beforeAll(async () => {
      subject = await open()
    })
    afterAll(() => subject.engine[Symbol.asyncDispose]())

    const ask = (changes: Partial<Completion.Request> = {}): Completion.Request => ({
      ...requestOf(subject),
      ...changes,
    })
    const run = (changes: Partial<Completion.Request> = {}) => collect(subject.engine, ask(changes))

    test('names its models', () => {
      expect(subject.engine.models.length).toBeGreaterThan(0)
      for (const model of subject.engine.models) {
        expect(model.weights).toMatch(/^0x[0-9a-f]{64}$/)
        expect(model.contextTokens).toBeGreaterThan(0)
        expect(model.build).not.toBe('')
        expect(model.tiers).toContain('unverified')
      }
    })

    test('gives deltas, then one end, all of them valid', async () => {
      const { events } = await run()
      expect(events.at(-1)?.type).toBe('completion-end')
      expect(events.filter((event) => event.type === 'completion-end')).toHaveLength(1)
      for (const event of events) if (event.type === 'completion-delta') parseDelta(event.delta)
    })

    test('counts the tokens', async () => {
      const { usage, tokenIds } = await run({ maxTokens: 12 })
      expect(usage.inputTokens).toBeGreaterThan(0)
      expect(usage.outputTokens).toBeGreaterThan(0)
      if (promises.tokenIds) expect(tokenIds).toHaveLength(usage.outputTokens)
    })

    test.each([1, 7, 24])('stops after %i tokens', async (maxTokens) => {
      const { usage, finishReason } = await run({ maxTokens })
      expect({ outputTokens: usage.outputTokens, finishReason }).toEqual({
        outputTokens: maxTokens,
        finishReason: 'length',
      })
    })

    test('cuts the answer before a stop string and never shows a part of it', async () => {
      const { text } = await run({ maxTokens: 24 })
      const stop = text.slice(6, 9)
      const result = await run({ maxTokens: 24, stop: ['\u{1F9F6} never', stop] })
      expect(result.finishReason).toBe('stop')
      expect(result.text).toBe(text.slice(0, text.indexOf(stop)))
      expect(result.usage.outputTokens).toBeLessThanOrEqual(24)
    })

    test('delivers text that only began like a stop string', async () => {
      const { text } = await run({ maxTokens: 12 })
      const result = await run({ maxTokens: 12, stop: [`${text.slice(-3)}\u{1F9F6}`] })
      expect(result.text).toBe(text)
    })

    test('repeats a greedy answer whatever the seed', async () => {
      // The end of an exact answer names its run, which the seed is a part of.
      const { events: _, ...first } = await run({ seed: 1 })
      expect(await run({ seed: 2 })).toMatchObject(first)
    })

    test('repeats a sampled answer with its seed, and finds others with other seeds', async () => {
      const topPMicro = promises.topP === false ? 1_000_000 : 950_000
      const sampled = { temperatureMicro: 1_000_000, topPMicro, maxTokens: 24 }
      const first = await run({ ...sampled, seed: 7 })
      expect(await run({ ...sampled, seed: 7 })).toEqual(first)
      const others = await Promise.all([8, 9, 10].map((seed) => run({ ...sampled, seed })))
      expect(others.some(({ text }) => text !== first.text)).toBe(true)
    })

    test('answers jobs that run at the same time as if each were alone', async () => {
      const requests = [0, 1, 2, 3].map((seed) => ({ seed, temperatureMicro: 900_000 }))
      const together = await Promise.all(requests.map(run))
      for (const [index, changes] of requests.entries())
        expect(await run(changes)).toEqual(together[index])
    })

    test('answers a conversation', async () => {
      const messages = [
        { role: 'system' as const, content: 'Be brief.' },
        { role: 'user' as const, content: 'What is a lease?' },
      ]
      const { usage, text } = await run({ input: { kind: 'chat', messages }, maxTokens: 8 })
      expect(usage.outputTokens).toBeGreaterThan(0)
      expect(text).not.toBe('')
    })

    test('gives log-probabilities, best first, or refuses to make them up', async () => {
      const attempt = run({ logprobs: 3, maxTokens: 8 })
      const result = await attempt.catch((error: unknown) => error)
      if (result instanceof Error) {
        expect(codeOf(result)).toBe('Engine.UnsupportedError')
        return
      }
      const { logprobs, usage, text } = await attempt
      expect(logprobs).toHaveLength(usage.outputTokens)
      expect(logprobs.map(({ token }) => token).join('')).toBe(text)
      for (const { logprob, top } of logprobs) {
        expect(logprob).toBeLessThanOrEqual(0)
        expect(top).toHaveLength(3)
        expect(top.map((entry) => entry.logprob)).toEqual(
          top.map((entry) => entry.logprob).toSorted((a, b) => b - a),
        )
      }
    })

    test('ends promptly when it is aborted, and frees what the job held', async () => {
      const controller = new AbortController()
      const reason = new Error('enough')
      const events = subject.engine.complete(ask({ maxTokens: 24 }), { signal: controller.signal })
      await events.next()
      controller.abort(reason)
      await expect(drain(events)).rejects.toBe(reason)
      await expect.poll(() => subject.busy?.() ?? 0).toBe(0)
    })

    test('does not start for a signal that was aborted before', async () => {
      const signal = AbortSignal.abort(new Error('never'))
      await expect(drain(subject.engine.complete(ask(), { signal }))).rejects.toThrow('never')
    })

    test('frees what the job held when nobody reads on', async () => {
      const { signal } = new AbortController()
      for await (const event of subject.engine.complete(ask({ maxTokens: 24 }), { signal }))
        if (event.type === 'completion-delta') break
      await expect.poll(() => subject.busy?.() ?? 0).toBe(0)
      expect((await run({ maxTokens: 4 })).usage.outputTokens).toBe(4)
    })

    test('refuses a model it does not have', async () => {
      const error = await run({ model: 'no-such-model' }).catch((thrown: unknown) => thrown)
      expect(codeOf(error)).toBe('Engine.UnknownModelError')
    })
  })
}

/** A small greedy job. */
export function requestOf({ engine, prompt }: Subject): Completion.Request {
  return {
    model: engine.models[0]!.id,
    input: { kind: 'text', prompt },
    maxTokens: 16,
    temperatureMicro: 0,
    topPMicro: 1_000_000,
    seed: 0,
    stop: [],
    logprobs: 0,
  }
}

/** Runs a job to its end. */
export async function collect(engine: Engine, request: Completion.Request) {
  const { signal } = new AbortController()
  const events = await drain(engine.complete(request, { signal }))
  const deltas = events.flatMap((event) => (event.type === 'completion-delta' ? [event.delta] : []))
  const end = events.at(-1)
  if (end?.type !== 'completion-end') throw new Error('The answer has no end.')
  return {
    events,
    text: deltas.map((delta) => delta.text).join(''),
    tokenIds: deltas.flatMap((delta) => delta.tokenIds),
    logprobs: deltas.flatMap((delta) => delta.logprobs ?? []),
    finishReason: end.finishReason,
    usage: end.usage,
  }
}

/** Every event until the end. */
export async function drain(
  events: AsyncGenerator<CompletionEvent>,
): Promise<readonly CompletionEvent[]> {
  return await Array.fromAsync(events)
}

function parseDelta(delta: Completion.Delta): void {
  expect(CompletionProtocol.delta.safeParse(delta).success).toBe(true)
}
