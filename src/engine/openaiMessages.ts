/** What an OpenAI-compatible server may say, in the shapes of vLLM, SGLang, Ollama and llama-server. */
import * as z from 'zod/mini'
import type * as Completion from '../protocol/Completion.ts'
import { EngineError, UnsupportedError } from './Engine.ts'

const name = z.string().check(z.minLength(1), z.maxLength(256))
const size = z.int().check(z.minimum(1))

/** Answer of `GET /v1/models`. */
export const modelList = z.object({
  data: z
    .array(
      z.object({
        id: name,
        owned_by: z.nullish(z.string().check(z.maxLength(256))),
        /** vLLM and SGLang. */
        max_model_len: z.nullish(size),
        /** llama-server. */
        meta: z.nullish(z.object({ n_ctx_train: z.nullish(size) })),
      }),
    )
    .check(z.maxLength(10_000)),
})

const token = z.object({ token: z.string(), logprob: z.number() })
/** Of chats, and of llama-server's text completions. */
const tokenLogprobs = z.object({
  content: z.nullish(
    z.array(
      z.object({
        ...token.shape,
        top_logprobs: z.nullish(z.array(token).check(z.maxLength(64))),
      }),
    ),
  ),
})
/** Of text completions as OpenAI defined them first. */
const columnLogprobs = z.object({
  tokens: z.array(z.string()),
  token_logprobs: z.array(z.nullable(z.number())),
  top_logprobs: z.nullish(z.array(z.nullable(z.record(z.string(), z.number())))),
})
const logprobs = z.nullish(z.union([columnLogprobs, tokenLogprobs]))

const choice = z.object({
  /** Of chats. */
  delta: z.nullish(z.object({ content: z.nullish(z.string()) })),
  /** Of text completions. */
  text: z.nullish(z.string()),
  finish_reason: z.nullish(z.string().check(z.maxLength(64))),
  logprobs,
})

const count = z.int().check(z.minimum(0), z.maximum(0xffffffff))

/** One event of a streamed answer. */
export const chunk = z.object({
  choices: z.optional(z.array(choice).check(z.maxLength(1))),
  usage: z.nullish(z.object({ prompt_tokens: count, completion_tokens: z.nullish(count) })),
  error: z.optional(z.unknown()),
})
export type Chunk = z.infer<typeof chunk>

/** Body of an answer that says what went wrong: OpenAI's shape, or the flatter ones of others. */
export const failure = z.object({
  error: z.optional(z.union([z.string(), z.object({ message: z.optional(z.string()) })])),
  message: z.optional(z.string()),
  detail: z.optional(z.unknown()),
})

/** The request as the server wants it: path under the base address, and body. */
export function requestBody(request: Completion.Request): {
  readonly path: string
  readonly body: Readonly<Record<string, unknown>>
} {
  const { input, stop, logprobs: top } = request
  const shared = {
    model: request.model,
    max_tokens: request.maxTokens,
    temperature: request.temperatureMicro / 1e6,
    // Servers want a positive number; this one keeps the best token alone.
    top_p: Math.max(1, request.topPMicro) / 1e6,
    seed: request.seed,
    stream: true,
    stream_options: { include_usage: true },
    ...(stop.length > 0 ? { stop } : {}),
  }
  if (input.kind === 'text')
    return {
      path: '/completions',
      body: { ...shared, prompt: input.prompt, ...(top > 0 ? { logprobs: top } : {}) },
    }
  // Only OpenAI's own service knows `developer`, its later word for `system`.
  const messages = input.messages.map(({ role, content }) => ({
    role: role === 'developer' ? 'system' : role,
    content,
  }))
  return {
    path: '/chat/completions',
    body: { ...shared, messages, ...(top > 0 ? { logprobs: true, top_logprobs: top } : {}) },
  }
}

/**
 * The log-probabilities of a choice in our form.
 *
 * @throws {UnsupportedError} when they were asked for and text came without them.
 */
export function logprobsOf(
  { logprobs: given, text, delta }: z.infer<typeof choice>,
  wanted: number,
): readonly Completion.Logprob[] {
  if (wanted === 0) return []
  const entries = !given ? [] : 'tokens' in given ? fromColumns(given) : fromTokens(given)
  if (entries.length === 0 && (text ?? delta?.content ?? '') !== '')
    throw new UnsupportedError({
      feature: 'log-probabilities: its server sends none',
      fix: 'ask with logprobs 0, or start the server with log-probabilities enabled.',
    })
  return entries.map((entry) => ({
    ...entry,
    top: entry.top.toSorted((a, b) => b.logprob - a.logprob).slice(0, wanted),
  }))
}

function fromTokens({ content }: z.infer<typeof tokenLogprobs>): readonly Completion.Logprob[] {
  return (content ?? []).map(({ token: text, logprob, top_logprobs: top }) => ({
    token: text,
    logprob,
    top: (top ?? []).map((entry) => ({ token: entry.token, logprob: entry.logprob })),
  }))
}

function fromColumns(columns: z.infer<typeof columnLogprobs>): readonly Completion.Logprob[] {
  const { tokens, token_logprobs: values, top_logprobs: tops } = columns
  if (tokens.length !== values.length)
    throw new EngineError('The upstream sent log-probabilities that do not match its tokens.')
  return tokens.map((text, index) => ({
    token: text,
    logprob: values[index] ?? 0,
    top: Object.entries(tops?.[index] ?? {}).map(([other, logprob]) => ({ token: other, logprob })),
  }))
}
