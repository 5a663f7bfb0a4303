import { describe, expect, test } from 'vitest'
import { failingEngine, garbageEngine, greedyEngine, honestEngine } from '../../test/engines.ts'
import { stallingEngine, talkativeEngine, vanishingEngine } from '../../test/engines.ts'
import { wordModel, wordRequest } from '../../test/engines.ts'
import { ContextLengthError, EngineError, type CompletionEvent } from '../engine/Engine.ts'
import { inputTokensLimit, isAboutRequest, runEngine } from './runEngine.ts'

const { signal } = new AbortController()
const run = async (...args: Parameters<typeof runEngine>) => {
  const texts: string[] = []
  const deltas = runEngine(...args)
  for (;;) {
    const step = await deltas.next()
    if (step.done) return { texts, ...step.value }
    texts.push(step.value.text)
  }
}
const saying = (...events: readonly unknown[]) => ({
  async *complete() {
    for (const event of events) yield event as CompletionEvent
  },
})
const end = {
  type: 'completion-end',
  finishReason: 'stop',
  usage: { inputTokens: 1, outputTokens: 1 },
}
const delta = (text: string, tokenIds: readonly number[] = [1]) => ({
  type: 'completion-delta',
  delta: { text, tokenIds },
})

describe('runEngine', () => {
  test('passes deltas on and returns what they come to', async () => {
    const { texts, output, usage } = await run(honestEngine(), wordRequest(), { signal })
    expect(output.text).toBe(texts.join(''))
    expect(output.tokenIds).toHaveLength(usage.outputTokens)
  })

  test.each([
    ['talks too much', talkativeEngine(), 'more than the 8 tokens'],
    ['counts input that is not there', greedyEngine(), 'tokens of input'],
    ['vanishes', vanishingEngine(), 'ended in the middle'],
    ['answers garbage', garbageEngine(), 'a delta is malformed'],
    ['goes on after its end', saying(delta('a'), end, delta('b')), 'went on after its end'],
    ['counts too many tokens', saying({ ...end, usage: { inputTokens: 1, outputTokens: 9 } }), '9'],
    ['counts no number', saying({ ...end, usage: { inputTokens: -1, outputTokens: 1 } }), 'usage'],
    ['ends in no known way', saying({ ...end, finishReason: 'bored' }), 'the end is malformed'],
    ['writes too long', saying(...Array(3).fill(delta('x'.repeat(400_000), []))), 'longer than'],
  ])('throws when the engine %s', async (_, engine, sentence) => {
    const failed = run(engine, wordRequest(), { signal })
    await expect(failed).rejects.toMatchObject({ code: 'Provider.EngineFaultError' })
    await expect(failed).rejects.toThrow(sentence)
  })

  test('throws what the engine throws', async () => {
    await expect(run(failingEngine(), wordRequest(), { signal })).rejects.toMatchObject({
      code: 'Engine.EngineError',
    })
  })

  test('stops at once when it is aborted, also when the engine does not listen', async () => {
    const controller = new AbortController()
    const deltas = runEngine(stallingEngine(), wordRequest(), controller)
    await deltas.next()
    const next = deltas.next()
    const reason = new Error('enough')
    controller.abort(reason)
    await expect(next).rejects.toBe(reason)
  })

  test('frees the engine when nobody reads on', async () => {
    let freed = false
    const engine = {
      async *complete() {
        try {
          for (;;) yield delta('a', []) as CompletionEvent
        } finally {
          freed = true
        }
      },
    }
    const deltas = runEngine(engine, wordRequest(), { signal })
    await deltas.next()
    await deltas.return(undefined as never)
    await new Promise((resolve) => setImmediate(resolve))
    expect(freed).toBe(true)
  })
})

describe('inputTokensLimit', () => {
  test('allows a token a byte and the frame of a template', () => {
    expect(inputTokensLimit(wordRequest({ input: { kind: 'text', prompt: 'ä'.repeat(10) } }))).toBe(
      276,
    )
    const messages = [
      { role: 'system' as const, content: 'ab' },
      { role: 'user' as const, content: 'c' },
    ]
    expect(inputTokensLimit(wordRequest({ input: { kind: 'chat', messages } }))).toBe(256 + 64 + 3)
  })
})

describe('isAboutRequest', () => {
  test('tells what the buyer asked wrongly from what failed here', () => {
    const size = { inputTokens: 1, maxTokens: 1, contextTokens: wordModel.contextTokens }
    expect(isAboutRequest(new ContextLengthError(size))).toBe(true)
    expect(isAboutRequest(new EngineError('It broke.'))).toBe(false)
    expect(isAboutRequest(new Error('It broke.'))).toBe(false)
  })
})
