import * as z from 'zod/mini'
import * as Completion from '../protocol/Completion.ts'
import {
  ignored,
  parseBody,
  requestOf,
  sampling,
  streamOptions,
  tokens,
  unsupported,
  type Ask,
  type Context,
  type Tolerance,
} from './parameters.ts'

/** What a request of the Responses API asks for. */
export type ResponseAsk = Ask & {
  /** The response to continue from; its messages come before ours. */
  readonly previousResponseId: string | undefined
  readonly store: boolean
  /** What the client sent and gets back in the response. */
  readonly echo: Readonly<Record<string, unknown>>
  /** The messages of this turn, without instructions: those of a turn hold for it alone. */
  readonly messages: readonly Message[]
}

export type Message = z.infer<typeof Completion.message>

/**
 * Parses the body of `POST /v1/responses`. `earlier` gives the messages of a stored response.
 *
 * @throws {RequestError} 400 with the field in `param`, or 404 for the model or the earlier response.
 */
export async function parseResponse(
  body: unknown,
  context: Context & { readonly earlier: (id: string) => Promise<readonly Message[]> },
): Promise<ResponseAsk> {
  const fields = parseBody(schema, body, tolerance)
  const model = context.model(fields.model)
  const { previous_response_id: previousResponseId, instructions, max_output_tokens } = fields
  const wantsLogprobs = fields.include?.includes('message.output_text.logprobs') === true
  if (fields.top_logprobs && !wantsLogprobs)
    throw unsupported('top_logprobs', "put 'message.output_text.logprobs' into include as well")
  const before = previousResponseId === undefined ? [] : await context.earlier(previousResponseId)
  const messages = [...before, ...turn(fields.input)]
  if (messages.length > 1000) throw unsupported('input', 'send at most 1,000 messages')
  const system = instructions ? [messageOf('system', instructions, 'instructions')] : []
  const seed = fields.seed ?? context.seed()
  const logprobs = wantsLogprobs ? Math.max(1, fields.top_logprobs ?? 0) : 0
  const request = requestOf(context, {
    ...fields,
    model,
    input: { kind: 'chat', messages: [...system, ...messages] },
    maxTokens: max_output_tokens,
    logprobs,
    seed,
    index: 0,
  })
  return {
    model,
    requests: [request],
    stream: fields.stream ?? false,
    includeUsage: true,
    topLogprobs: fields.top_logprobs,
    previousResponseId,
    store: fields.store ?? true,
    messages,
    echo: {
      instructions: instructions ?? null,
      max_output_tokens: max_output_tokens ?? null,
      metadata: fields.metadata ?? {},
      parallel_tool_calls: true,
      previous_response_id: previousResponseId ?? null,
      reasoning: { effort: null, summary: null },
      store: fields.store ?? true,
      temperature: fields.temperature ?? 1,
      text: { format: { type: 'text' } },
      tool_choice: 'auto',
      tools: [],
      top_logprobs: fields.top_logprobs ?? 0,
      top_p: fields.top_p ?? 1,
      truncation: 'disabled',
      user: fields.user ?? null,
      background: false,
    },
  }
}

const text = z.string().check(z.maxLength(1_000_000))
const contentPart = z.looseObject({ type: z.string(), text: z.optional(text) })
const item = z.looseObject({
  type: z.optional(z.string()),
  role: z.optional(z.string()),
  content: z.optional(z.union([text, z.array(contentPart).check(z.maxLength(1024))])),
})

const schema = z.strictObject({
  ...sampling,
  input: z.union([text, z.array(item).check(z.minLength(1), z.maxLength(1000))]),
  instructions: z.optional(text),
  max_output_tokens: tokens,
  previous_response_id: z.optional(z.string().check(z.maxLength(128))),
  store: z.optional(z.boolean()),
  stream_options: streamOptions,
  top_logprobs: z.optional(z.int().check(z.minimum(0), z.maximum(20))),
  include: z.optional(z.array(z.literal('message.output_text.logprobs'))),
  metadata: z.optional(
    z.record(z.string().check(z.maxLength(64)), z.string().check(z.maxLength(512))),
  ),
  user: z.optional(z.string().check(z.maxLength(512))),
})

const tolerance: Tolerance = {
  ignored: ignored.filter((name) => name !== 'metadata' && name !== 'user'),
  neutral: {
    background: [false],
    tools: [[]],
    tool_choice: ['none', 'auto'],
    parallel_tool_calls: [true, false],
    max_tool_calls: [],
    text: [{ format: { type: 'text' } }, {}],
    reasoning: [{}, { effort: null, summary: null }],
    truncation: ['disabled'],
    prompt: [],
    conversation: [],
    context_management: [[]],
    moderation: [],
    image: [],
  },
}

function turn(input: z.infer<typeof schema>['input']): readonly Message[] {
  if (typeof input === 'string') return [messageOf('user', input, 'input')]
  return input.map(({ type = 'message', role, content, ...rest }, index) => {
    const at = `input[${index}]`
    if (type !== 'message' || role === undefined)
      throw unsupported(`${at}.type`, 'send messages only: no tool calls, files or references')
    const extra = Object.keys(rest).find((name) => !['id', 'status', 'phase'].includes(name))
    if (extra) throw unsupported(`${at}.${extra.slice(0, 64)}`)
    return messageOf(role, typeof content === 'string' ? content : textOf(content ?? [], at), at)
  })
}

function textOf(parts: readonly z.infer<typeof contentPart>[], at: string): string {
  return parts
    .map((part, index) => {
      if (!['input_text', 'output_text', 'text'].includes(part.type) || part.text === undefined)
        throw unsupported(`${at}.content[${index}].type`, 'send text only')
      return part.text
    })
    .join('')
}

const roles = ['system', 'developer', 'user', 'assistant'] as const

function messageOf(role: string, content: string, at: string): Message {
  const known = roles.find((name) => name === role)
  if (!known) throw unsupported(`${at}.role`, `use one of ${roles.join(', ')}`)
  return { role: known, content }
}
