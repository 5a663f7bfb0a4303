import * as z from 'zod/mini'
import type * as Hex from './Hex.ts'
import * as Json from './Json.ts'

/** What a completion job asks for. Everything that decides the output is in it. */
export type Request = z.infer<typeof request>

/** What a completion job delivers. */
export type Output = z.infer<typeof output>

export type FinishReason = Output['finishReason']

/** One position's log-probabilities, natural logarithm, most likely first. */
export type Logprob = z.infer<typeof logprob>

/** A piece of an answer as it is made. */
export type Delta = z.infer<typeof delta>

/** How many tokens went in and came out. */
export type Usage = z.infer<typeof usage>

const text = z.string().check(z.maxLength(1_000_000))

export const message = z.strictObject({
  role: z.enum(['system', 'developer', 'user', 'assistant', 'tool']),
  content: text,
})

export const request = z.strictObject({
  model: z.string().check(z.minLength(1), z.maxLength(256)),
  /** A chat to answer, or a text to continue. */
  input: z.discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('chat'),
      messages: z.array(message).check(z.minLength(1), z.maxLength(1024)),
    }),
    z.strictObject({ kind: z.literal('text'), prompt: text }),
  ]),
  maxTokens: z.int().check(z.minimum(1), z.maximum(1_000_000)),
  /** Millionths; 0 is greedy. */
  temperatureMicro: z.int().check(z.minimum(0), z.maximum(2_000_000)),
  /** Millionths; 1,000,000 keeps every token. */
  topPMicro: z.int().check(z.minimum(0), z.maximum(1_000_000)),
  seed: z.int().check(z.minimum(0), z.maximum(0xffffffff)),
  stop: z.array(z.string().check(z.minLength(1), z.maxLength(256))).check(z.maxLength(4)),
  /** Log-probabilities of that many alternatives a position; 0 gives none. */
  logprobs: z.int().check(z.minimum(0), z.maximum(20)),
})

export const logprob = z.strictObject({
  token: z.string(),
  logprob: z.number(),
  top: z.array(z.strictObject({ token: z.string(), logprob: z.number() })).check(z.maxLength(20)),
})

export const delta = z.strictObject({
  text,
  /** Ids in the model's vocabulary; empty when the engine does not tell them. */
  tokenIds: z.array(z.int().check(z.minimum(0))).check(z.maxLength(65_536)),
  logprobs: z.optional(z.array(logprob).check(z.maxLength(65_536))),
})

export const output = z.strictObject({
  text,
  tokenIds: z.array(z.int().check(z.minimum(0))).check(z.maxLength(1_000_000)),
  finishReason: z.enum(['stop', 'length']),
})

export const usage = z.strictObject({
  inputTokens: z.int().check(z.minimum(0), z.maximum(0xffffffff)),
  outputTokens: z.int().check(z.minimum(0), z.maximum(0xffffffff)),
})

/** SHA-256 of a request's canonical JSON. */
export function hashRequest(request: Request): Hex.Hex {
  return Json.hash(request)
}

/** SHA-256 of an output's canonical JSON. */
export function hashOutput(output: Output): Hex.Hex {
  return Json.hash(output)
}

/** What usage costs at given prices, rounded up to a whole micro-USD. */
export function priceMicroUsd(
  usage: Usage,
  prices: {
    readonly inputMicroUsdPerMillion: bigint
    readonly outputMicroUsdPerMillion: bigint
  },
): bigint {
  const total =
    BigInt(usage.inputTokens) * prices.inputMicroUsdPerMillion +
    BigInt(usage.outputTokens) * prices.outputMicroUsdPerMillion
  return (total + 999_999n) / 1_000_000n
}
