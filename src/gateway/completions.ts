import * as z from 'zod/mini'
import type * as Completion from '../protocol/Completion.ts'
import {
  choices,
  choicesLimit,
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
 * Parses the body of `POST /v1/completions`. Several prompts make one job each, and choice.
 *
 * @throws {RequestError} 400 with the field in `param`, or 404 for the model.
 */
export function parseCompletion(body: unknown, context: Context): Ask {
  const fields = parseBody(schema, body, tolerance)
  const model = context.model(fields.model)
  const prompts = typeof fields.prompt === 'string' ? [fields.prompt] : fields.prompt
  const { n = 1, max_tokens = 16, logprobs: top } = fields
  if (prompts.length * n > choicesLimit)
    throw unsupported('n', `prompts times n may be at most ${choicesLimit}`)
  const seed = fields.seed ?? context.seed()
  const logprobs = top === undefined ? 0 : Math.max(1, top)
  return {
    model,
    requests: prompts.flatMap((prompt, row) =>
      Array.from({ length: n }, (_, i) =>
        requestOf(context, {
          ...fields,
          model,
          input: { kind: 'text', prompt },
          maxTokens: max_tokens,
          logprobs,
          seed,
          index: row * n + i,
        }),
      ),
    ),
    stream: fields.stream ?? false,
    includeUsage: fields.stream_options?.include_usage ?? false,
    topLogprobs: top,
  }
}

/** How text answers look: https://platform.openai.com/docs/api-reference/completions. */
export const completionShape: Shape = {
  idPrefix: 'cmpl-',
  object: 'text_completion',
  chunkObject: 'text_completion',
  choice: ({ index, text, finishReason, logprobs, ask }) => ({
    text,
    index,
    logprobs: logprobsOf(logprobs, ask),
    finish_reason: finishReason,
  }),
  delta: (index, { text, logprobs }, ask) => ({
    text,
    index,
    logprobs: logprobsOf(logprobs, ask),
    finish_reason: null,
  }),
  closing: (index, finishReason) => ({
    text: '',
    index,
    logprobs: null,
    finish_reason: finishReason,
  }),
}

const prompt = z.string().check(z.maxLength(1_000_000))

const schema = z.strictObject({
  ...sampling,
  prompt: z.union([prompt, z.array(prompt).check(z.minLength(1), z.maxLength(choicesLimit))]),
  max_tokens: tokens,
  n: choices,
  stop,
  stream_options: streamOptions,
  logprobs: z.optional(z.int().check(z.minimum(0), z.maximum(5))),
})

const tolerance: Tolerance = {
  ignored,
  neutral: {
    best_of: [1],
    echo: [false],
    frequency_penalty: [0],
    presence_penalty: [0],
    logit_bias: [{}],
    suffix: [''],
  },
}

function logprobsOf(logprobs: readonly Completion.Logprob[] | undefined, { topLogprobs = 0 }: Ask) {
  if (!logprobs) return null
  return {
    tokens: logprobs.map(({ token }) => token),
    token_logprobs: logprobs.map(({ logprob }) => logprob),
    top_logprobs: logprobs.map(({ top }) =>
      Object.fromEntries(top.slice(0, topLogprobs).map((item) => [item.token, item.logprob])),
    ),
  }
}
