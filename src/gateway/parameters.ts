import * as z from 'zod/mini'
import type { AvailableModel } from '../buyer/Buyer.ts'
import { inputTokensLimit } from '../buyer/checkReceipt.ts'
import type * as Completion from '../protocol/Completion.ts'
import { RequestError } from './Problem.ts'

/** What a request of any of the endpoints asks the buyer for. */
export type Ask = {
  readonly model: AvailableModel
  /** One job per choice. */
  readonly requests: readonly Completion.Request[]
  readonly stream: boolean
  readonly includeUsage: boolean
  /** Alternatives to show at each position. */
  readonly topLogprobs?: number | undefined
}

/** What parsing needs from the gateway. */
export type Context = {
  /** The model by its id. @throws {RequestError} when it is not on the network. */
  readonly model: (id: string) => AvailableModel
  /** A seed for requests that bring none. */
  readonly seed: () => number
  /** Tokens for requests that do not say how many. */
  readonly defaultMaxTokens: number
}

/** Which fields an endpoint takes besides those in its schema. */
export type Tolerance = {
  /** Fields that do not bear on the answer: accepted, whatever they say. */
  readonly ignored: readonly string[]
  /** Fields we do not support, with the values that ask for nothing. */
  readonly neutral: Readonly<Record<string, readonly unknown[]>>
}

/** Fields that no endpoint minds. */
export const ignored = [
  'user',
  'metadata',
  'service_tier',
  'safety_identifier',
  'prompt_cache_key',
  'prompt_cache_retention',
  'prompt_cache_options',
] as const

/** The most choices, or prompts times choices, that one request may ask for. */
export const choicesLimit = 16

const number = (minimum: number, maximum: number) =>
  z.optional(z.number().check(z.minimum(minimum), z.maximum(maximum)))

/** Fields that every endpoint takes. */
export const sampling = {
  model: z.string().check(z.minLength(1), z.maxLength(256)),
  temperature: number(0, 2),
  top_p: number(0, 1),
  seed: z.optional(z.int().check(z.minimum(0), z.maximum(0xffffffff))),
  stream: z.optional(z.boolean()),
} as const

export const stop = z.optional(
  z.union([
    z.string().check(z.minLength(1), z.maxLength(256)),
    z.array(z.string().check(z.minLength(1), z.maxLength(256))).check(z.maxLength(4)),
  ]),
)

export const tokens = z.optional(z.int().check(z.minimum(1), z.maximum(1_000_000)))

export const choices = z.optional(z.int().check(z.minimum(1), z.maximum(choicesLimit)))

export const streamOptions = z.optional(
  z.strictObject({
    include_usage: z.optional(z.nullable(z.boolean())),
    include_obfuscation: z.optional(z.nullable(z.boolean())),
  }),
)

/**
 * Parses a body. Fields that are null count as absent; what asks for something we do not have is
 * refused by name, never passed over.
 *
 * @throws {RequestError} 400, with the field in `param`.
 */
export function parseBody<shape extends z.core.$ZodShape>(
  schema: z.ZodMiniObject<shape>,
  body: unknown,
  { ignored, neutral }: Tolerance,
): z.infer<z.ZodMiniObject<shape>> {
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new RequestError('The body must be a JSON object.', { code: 'invalid_json' })
  const kept: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(body)) {
    if (value === null || value === undefined || ignored.includes(name)) continue
    if (Object.hasOwn(schema.shape, name)) kept[name] = value
    else refuseUnlessNeutral(name, value, neutral)
  }
  const result = z.safeParse(schema, kept)
  if (result.success) return result.data
  const issue = deepest(result.error.issues[0]!)
  throw new RequestError(`Invalid value for '${pathOf(issue.path)}': ${issue.message}.`, {
    code:
      kept[String(issue.path[0])] === undefined ? 'missing_required_parameter' : 'invalid_value',
    param: pathOf(issue.path),
  })
}

/** One job's request, of the fields that all endpoints share. */
export function requestOf(
  context: Context,
  fields: {
    readonly model: AvailableModel
    readonly input: Completion.Request['input']
    readonly temperature?: number | undefined
    readonly top_p?: number | undefined
    readonly stop?: string | readonly string[] | undefined
    readonly maxTokens?: number | undefined
    readonly logprobs?: number | undefined
    readonly seed: number
    readonly index: number
  },
): Completion.Request {
  const { model, input, temperature = 1, top_p = 1, stop = [], logprobs = 0 } = fields
  const { maxTokens = roomFor(input, model, context.defaultMaxTokens) } = fields
  return {
    model: model.id,
    input,
    maxTokens,
    temperatureMicro: Math.round(temperature * 1_000_000),
    topPMicro: Math.round(top_p * 1_000_000),
    seed: (fields.seed + fields.index) >>> 0,
    stop: typeof stop === 'string' ? [stop] : [...stop],
    logprobs,
  }
}

/** As many tokens as usual, but no more than surely fit beside the prompt, or a quarter of the context. */
function roomFor(
  input: Completion.Request['input'],
  { contextTokens }: AvailableModel,
  usual: number,
): number {
  const rest = contextTokens - inputTokensLimit({ input })
  return Math.max(1, Math.min(usual, Math.max(rest, Math.floor(contextTokens / 4))))
}

/** Refuses a field by name. */
export function unsupported(param: string, fix = 'leave it out'): RequestError {
  return new RequestError(`'${param}' is not supported on this network.`, {
    code: 'unsupported_parameter',
    param,
    metaMessages: [`Fix: ${fix}.`],
  })
}

function refuseUnlessNeutral(name: string, value: unknown, neutral: Tolerance['neutral']): void {
  if (!Object.hasOwn(neutral, name))
    throw new RequestError(`Unknown parameter: '${name.slice(0, 128)}'.`, {
      code: 'unknown_parameter',
      param: name.slice(0, 128),
    })
  const text = JSON.stringify(value)
  if (!neutral[name]!.some((item) => JSON.stringify(item) === text)) throw unsupported(name)
}

/** Of a union's failed branches, the issue that got furthest in: the one the sender means. */
function deepest(issue: z.core.$ZodIssue): z.core.$ZodIssue {
  if (issue.code !== 'invalid_union') return issue
  const found = issue.errors
    .flatMap((branch) => branch.slice(0, 1))
    .map((inner) => deepest({ ...inner, path: [...issue.path, ...inner.path] }))
    .toSorted((a, b) => b.path.length - a.path.length)[0]
  return found && found.path.length > issue.path.length ? found : issue
}

function pathOf(path: readonly PropertyKey[]): string {
  return path
    .map((part, index) =>
      typeof part === 'number' ? `[${part}]` : `${index === 0 ? '' : '.'}${String(part)}`,
    )
    .join('')
}
