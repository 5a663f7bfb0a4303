import * as z from 'zod/mini'
import * as Completion from '../protocol/Completion.ts'
import {
  choices,
  ignored,
  parseBody,
  requestOf,
  sampling,
  stop,
  streamOptions,
  tokens,
  unsupported,
  type Ask,
  type Context,
  type Tolerance,
} from './parameters.ts'
import type { Shape } from './Shape.ts'

/**
 * Parses the body of `POST /v1/chat/completions`.
 *
 * @throws {RequestError} 400 with the field in `param`, or 404 for the model.
 */
export function parseChat(body: unknown, context: Context): Ask {
  const fields = parseBody(schema, body, tolerance)
  const model = context.model(fields.model)
  const input = { kind: 'chat' as const, messages: fields.messages.map(parseMessage) }
  const maxTokens = fields.max_completion_tokens ?? fields.max_tokens
  const logprobs = fields.logprobs ? Math.max(1, fields.top_logprobs ?? 0) : 0
  if (fields.top_logprobs !== undefined && !fields.logprobs)
    throw unsupported('top_logprobs', 'set logprobs to true as well')
  const seed = fields.seed ?? context.seed()
  return {
    model,
    requests: Array.from({ length: fields.n ?? 1 }, (_, index) =>
      requestOf(context, { ...fields, model, input, maxTokens, logprobs, seed, index }),
    ),
    stream: fields.stream ?? false,
    includeUsage: fields.stream_options?.include_usage ?? false,
    topLogprobs: fields.top_logprobs ?? 0,
  }
}

/** How chat answers look: https://platform.openai.com/docs/api-reference/chat. */
export const chatShape: Shape = {
  idPrefix: 'chatcmpl-',
  object: 'chat.completion',
  chunkObject: 'chat.completion.chunk',
  choice: ({ index, text, finishReason, logprobs, ask }) => ({
    index,
    message: { role: 'assistant', content: text, refusal: null },
    logprobs: logprobsOf(logprobs, ask),
    finish_reason: finishReason,
  }),
  opening: (index) => ({
    index,
    delta: { role: 'assistant', content: '', refusal: null },
    ...open,
  }),
  delta: (index, { text, logprobs }, ask) => ({
    index,
    delta: { content: text },
    logprobs: logprobsOf(logprobs, ask),
    finish_reason: null,
  }),
  closing: (index, finishReason) => ({
    index,
    delta: {},
    logprobs: null,
    finish_reason: finishReason,
  }),
}

const open = { logprobs: null, finish_reason: null }

const part = z.object({ type: z.string(), text: z.optional(z.string()) })
const message = z.looseObject({
  role: z.string(),
  content: z.optional(z.nullable(z.union([z.string(), z.array(part).check(z.maxLength(1024))]))),
})

const schema = z.strictObject({
  ...sampling,
  messages: z.array(message).check(z.minLength(1), z.maxLength(1024)),
  max_tokens: tokens,
  max_completion_tokens: tokens,
  n: choices,
  stop,
  stream_options: streamOptions,
  logprobs: z.optional(z.boolean()),
  top_logprobs: z.optional(z.int().check(z.minimum(0), z.maximum(20))),
})

const tolerance: Tolerance = {
  ignored: [...ignored, 'store'],
  neutral: {
    tools: [[]],
    tool_choice: ['none', 'auto'],
    parallel_tool_calls: [true, false],
    functions: [[]],
    function_call: ['none', 'auto'],
    response_format: [{ type: 'text' }],
    modalities: [['text']],
    frequency_penalty: [0],
    presence_penalty: [0],
    logit_bias: [{}],
    audio: [],
    prediction: [],
    moderation: [],
    reasoning_effort: [],
    verbosity: [],
    web_search_options: [],
  },
}

const roles = new Set<string>(['system', 'developer', 'user', 'assistant'])

function parseMessage(
  { role, content, ...rest }: z.infer<typeof message>,
  index: number,
): z.infer<typeof Completion.message> {
  const at = `messages[${index}]`
  if (!roles.has(role))
    throw unsupported(`${at}.role`, `use one of ${[...roles].join(', ')}; tools are not supported`)
  const extra = Object.entries(rest).find(([, value]) => value !== null && value !== undefined)
  if (extra) throw unsupported(`${at}.${extra[0].slice(0, 64)}`)
  const text = typeof content === 'string' ? content : textOf(content ?? [], at)
  const parsed = z.safeParse(Completion.message, { role, content: text })
  if (parsed.success) return parsed.data
  throw unsupported(`${at}.content`, 'a message holds at most 1,000,000 characters')
}

function textOf(parts: readonly z.infer<typeof part>[], at: string): string {
  return parts
    .map(({ type, text }, index) => {
      if (type !== 'text' || text === undefined)
        throw unsupported(`${at}.content[${index}].type`, 'send text parts only')
      return text
    })
    .join('')
}

function logprobsOf(logprobs: readonly Completion.Logprob[] | undefined, { topLogprobs = 0 }: Ask) {
  if (!logprobs) return null
  const content = logprobs.map(({ token, logprob, top }) => ({
    ...withBytes(token, logprob),
    top_logprobs: top.slice(0, topLogprobs).map((item) => withBytes(item.token, item.logprob)),
  }))
  return { content, refusal: null }
}

/** One entry as OpenAI writes it: the token, its logarithm and its bytes. */
export function withBytes(token: string, logprob: number) {
  return { token, logprob, bytes: [...Buffer.from(token)] }
}
