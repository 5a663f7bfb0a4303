import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as z from 'zod/mini'
import * as Completion from './Completion.ts'

const request: Completion.Request = {
  model: 'm',
  input: { kind: 'chat', messages: [{ role: 'user', content: 'hello' }] },
  maxTokens: 16,
  temperatureMicro: 0,
  topPMicro: 1_000_000,
  seed: 1,
  stop: [],
  logprobs: 0,
}

describe('hashRequest', () => {
  test('does not depend on the order of keys', () => {
    const reversed = Object.fromEntries(Object.entries(request).toReversed()) as Completion.Request
    expect(Completion.hashRequest(reversed)).toBe(Completion.hashRequest(request))
  })

  test('changes with every field', () => {
    const changes: readonly Partial<Completion.Request>[] = [
      { model: 'n' },
      { input: { kind: 'text', prompt: 'hello' } },
      { maxTokens: 17 },
      { temperatureMicro: 1 },
      { topPMicro: 1 },
      { seed: 2 },
      { stop: ['.'] },
      { logprobs: 1 },
    ]
    const hashes = changes.map((change) => Completion.hashRequest({ ...request, ...change }))
    expect(new Set([...hashes, Completion.hashRequest(request)]).size).toBe(changes.length + 1)
  })
})

describe('hashOutput', () => {
  test('tells a text from its tokens and its end', () => {
    const output: Completion.Output = { text: 'ab', tokenIds: [1, 2], finishReason: 'stop' }
    const others: readonly Completion.Output[] = [
      { ...output, text: 'a' },
      { ...output, tokenIds: [12] },
      { ...output, finishReason: 'length' },
    ]
    for (const other of others)
      expect(Completion.hashOutput(other)).not.toBe(Completion.hashOutput(output))
  })
})

describe('request', () => {
  test.each([
    ['no messages', { input: { kind: 'chat', messages: [] } }],
    ['no tokens', { maxTokens: 0 }],
    ['a fraction', { maxTokens: 1.5 }],
    ['a negative seed', { seed: -1 }],
    ['too hot', { temperatureMicro: 2_000_001 }],
    ['five stops', { stop: ['a', 'b', 'c', 'd', 'e'] }],
    ['an empty stop', { stop: [''] }],
    ['an unknown role', { input: { kind: 'chat', messages: [{ role: 'boss', content: '' }] } }],
    ['something more', { extra: true }],
  ])('refuses %s', (_, change) => {
    expect(z.safeParse(Completion.request, { ...request, ...change }).success).toBe(false)
    expect(z.safeParse(Completion.request, request).success).toBe(true)
  })
})

describe('priceMicroUsd', () => {
  const prices = { inputMicroUsdPerMillion: 150_000n, outputMicroUsdPerMillion: 600_000n }

  test('is tokens times price, rounded up to a whole micro-USD', () => {
    expect(Completion.priceMicroUsd({ inputTokens: 0, outputTokens: 0 }, prices)).toBe(0n)
    expect(Completion.priceMicroUsd({ inputTokens: 1, outputTokens: 0 }, prices)).toBe(1n)
    expect(Completion.priceMicroUsd({ inputTokens: 10_000, outputTokens: 5_000 }, prices)).toBe(
      4_500n,
    )
  })

  test('never gets cheaper by splitting a job', () => {
    const tokens = fc.nat({ max: 1_000_000 })
    fc.assert(
      fc.property(tokens, tokens, tokens, tokens, (a, b, c, d) => {
        const whole = Completion.priceMicroUsd({ inputTokens: a + c, outputTokens: b + d }, prices)
        const first = Completion.priceMicroUsd({ inputTokens: a, outputTokens: b }, prices)
        const second = Completion.priceMicroUsd({ inputTokens: c, outputTokens: d }, prices)
        expect(first + second).toBeGreaterThanOrEqual(whole)
      }),
    )
  })
})
