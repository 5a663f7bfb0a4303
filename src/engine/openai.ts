import { createParser, type EventSourceParser } from 'eventsource-parser'
import type { Clock } from '../runtime/Clock.ts'
import { BaseError } from '../runtime/Errors.ts'
import * as Completion from '../protocol/Completion.ts'
import * as Hex from '../protocol/Hex.ts'
import * as Json from '../protocol/Json.ts'
import {
  EngineError,
  UnknownModelError,
  type CompletionEvent,
  type Engine,
  type Model,
} from './Engine.ts'
import { openUpstream, type Upstream } from './openaiHttp.ts'
import { chunk, logprobsOf, modelList, requestBody, type Chunk } from './openaiMessages.ts'
import { textStream } from './internal/textStream.ts'

/**
 * Runs jobs on any server that speaks OpenAI's API: vLLM, SGLang, Ollama, llama-server, a hosted one.
 * Nobody here knows its weights, so its answers have tier `unverified` alone. Hidden reasoning that
 * a server keeps apart from its answer is counted in `usage`, as the server does, and not delivered.
 *
 * @throws {EngineError} when the server cannot be reached, refuses, or lacks a model in `models`.
 */
export async function openaiEngine(
  ports: { clock: Clock },
  options: openaiEngine.Options,
): Promise<Engine> {
  const { apiKey, connections = 256, limits = {} } = options
  const base = baseOf(options.url)
  const allowed = { ...defaultLimits, ...limits }
  await using stack = new AsyncDisposableStack()
  const upstream = stack.use(openUpstream(ports, { base, apiKey, connections }))
  const models = await listModels(upstream, options, allowed.connectMs)
  const owned = stack.move()
  return {
    models,
    complete: (request, { signal }) => complete(upstream, models, request, signal, allowed),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

export declare namespace openaiEngine {
  type Options = {
    /** Base address; `/v1` is added when it is missing. */
    url: string
    apiKey?: string | undefined
    /** Offer these models only. @default all that the server lists */
    models?: readonly string[] | undefined
    /** Context of models whose server does not say. @default 4096 */
    contextTokens?: number | undefined
    /** @default 256 */
    connections?: number | undefined
    limits?: Partial<Limits> | undefined
  }
  type Limits = {
    /** Longest wait for the list of models. @default 10 seconds */
    connectMs: number
    /** Longest wait for the first token; the server may have a queue. @default 2 minutes */
    firstTokenMs: number
    /** Longest silence between tokens. @default 30 seconds */
    idleMs: number
  }
}

const defaultLimits: openaiEngine.Limits = {
  connectMs: 10_000,
  firstTokenMs: 120_000,
  idleMs: 30_000,
}
/** More than any server sends for a token, ids, spacing and twenty alternatives included. */
const bytesPerToken = 16_384
const charactersPerToken = 256
const eventCharacters = 4 * 1024 * 1024
/** How long a server may take to close an answer that is complete. */
const lingerMs = 500

async function* complete(
  upstream: Upstream,
  models: readonly Model[],
  request: Completion.Request,
  signal: AbortSignal,
  limits: openaiEngine.Limits,
): AsyncGenerator<CompletionEvent> {
  signal.throwIfAborted()
  if (!models.some(({ id }) => id === request.model))
    throw new UnknownModelError({ model: request.model, models: models.map(({ id }) => id) })
  const { path, body } = requestBody(request)
  const progress = { done: false }
  const bytes = upstream.send(path, {
    body,
    limitBytes: 1_048_576 + request.maxTokens * bytesPerToken,
    firstByteMs: limits.firstTokenMs,
    idleMs: () => (progress.done ? lingerMs : limits.idleMs),
    signal,
  })
  const answer = answerOf(request)
  for await (const events of chunksOf(bytes, progress)) {
    const deltas = events.flatMap((event) => answer.add(event) ?? [])
    if (deltas.length > 0) yield { type: 'completion-delta', delta: joined(deltas) }
    signal.throwIfAborted()
  }
  const { rest, end } = answer.end()
  if (rest) yield { type: 'completion-delta', delta: rest }
  yield end
}

/** What came in one packet goes on as one delta. */
function joined(deltas: readonly Completion.Delta[]): Completion.Delta {
  if (deltas.length === 1) return deltas[0]!
  const logprobs = deltas.flatMap((delta) => delta.logprobs ?? [])
  return {
    text: deltas.map(({ text }) => text).join(''),
    tokenIds: deltas.flatMap(({ tokenIds }) => tokenIds),
    ...(logprobs.length > 0 ? { logprobs } : {}),
  }
}

/** Puts the chunks of an answer together and holds the server to what was asked. */
function answerOf(request: Completion.Request) {
  const { maxTokens } = request
  const stream = textStream({ stop: request.stop })
  let finishReason: string | undefined
  let usage: Completion.Usage | undefined
  let characters = 0
  let scored = 0

  return {
    add(event: Chunk): Completion.Delta | undefined {
      if (event.usage)
        usage = {
          inputTokens: event.usage.prompt_tokens,
          outputTokens: event.usage.completion_tokens ?? 0,
        }
      const [choice] = event.choices ?? []
      if (!choice) return undefined
      finishReason = choice.finish_reason ?? finishReason
      const text = choice.text ?? choice.delta?.content ?? ''
      const logprobs = logprobsOf(choice, request.logprobs)
      characters += text.length
      scored += logprobs.length
      if (scored > maxTokens || characters > maxTokens * charactersPerToken)
        throw tooMany(`more than ${maxTokens}`, maxTokens)
      if (text === '' && logprobs.length === 0) return undefined
      const delta = stream.push({ text, tokenIds: [], logprobs })
      if (stream.stopped)
        throw new EngineError('The upstream does not honour stop strings.', {
          metaMessages: ['Fix: ask without them, or serve the model with a server that does.'],
        })
      return delta
    },
    end(): { rest: Completion.Delta | undefined; end: CompletionEvent } {
      if (finishReason === undefined)
        throw new EngineError('The upstream stopped in the middle of its answer.', {
          metaMessages: ['Reason: the stream ended without a finish reason.'],
        })
      if (!usage)
        throw new EngineError('The upstream did not say how many tokens it used.', {
          metaMessages: ['Fix: use a server that honours `stream_options.include_usage`.'],
        })
      if (usage.outputTokens > maxTokens) throw tooMany(String(usage.outputTokens), maxTokens)
      if (usage.outputTokens === 0 && characters > 0)
        throw new EngineError('The upstream sent text and says it made no token.')
      const reason = finishReasonOf(finishReason)
      return { rest: stream.end(), end: { type: 'completion-end', finishReason: reason, usage } }
    },
  }
}

/** The events of a stream, parsed, those of one packet together. After `[DONE]` it reads to the end, to keep the connection. */
async function* chunksOf(
  bytes: AsyncIterable<Buffer>,
  progress: { done: boolean },
): AsyncGenerator<readonly Chunk[]> {
  const events: string[] = []
  const parser = createParser({
    onEvent: ({ data }) => events.push(data),
    maxBufferSize: eventCharacters,
  })
  const decoder = new TextDecoder()
  try {
    for await (const piece of bytes) {
      if (progress.done) continue
      feed(parser, decoder.decode(piece, { stream: true }))
      const chunks: Chunk[] = []
      for (const data of events.splice(0)) {
        progress.done ||= data === '[DONE]'
        if (!progress.done) chunks.push(parseChunk(data))
      }
      if (chunks.length > 0) yield chunks
    }
  } catch (error) {
    if (!progress.done) throw error
  }
}

/** The parser ends itself when an event grows beyond its buffer. */
function feed(parser: EventSourceParser, text: string): void {
  try {
    parser.feed(text)
  } catch (cause) {
    throw garbage('an event that does not end', cause)
  }
}

function parseChunk(data: string): Chunk {
  let parsed: Chunk
  try {
    parsed = Json.parse(chunk, JSON.parse(data), { what: 'event of the upstream' })
  } catch (cause) {
    throw garbage(data.slice(0, 200), cause)
  }
  if (parsed.error !== undefined && parsed.error !== null)
    throw new EngineError('The upstream failed in the middle of its answer.', {
      metaMessages: [`It said: ${JSON.stringify(parsed.error).slice(0, 500)}`],
    })
  if (parsed.choices === undefined && !parsed.usage) throw garbage(data.slice(0, 200))
  return parsed
}

function finishReasonOf(reason: string): Completion.FinishReason {
  if (reason === 'stop' || reason === 'length') return reason
  throw new EngineError('The upstream ended its answer for a reason that cannot be sold.', {
    metaMessages: [`Reason: ${reason.slice(0, 64)}`],
  })
}

async function listModels(
  upstream: Upstream,
  options: openaiEngine.Options,
  connectMs: number,
): Promise<readonly Model[]> {
  const { models: wanted, contextTokens = 4096 } = options
  const { signal } = new AbortController()
  const limits = { limitBytes: Json.limitBytes, firstByteMs: connectMs, idleMs: () => connectMs }
  const body = Buffer.concat(await Array.fromAsync(upstream.send('/models', { ...limits, signal })))
  const { data } = parseModels(body)
  const found = wanted ? data.filter(({ id }) => wanted.includes(id)) : data
  const missing = wanted?.filter((id) => !data.some((model) => model.id === id)) ?? []
  if (found.length === 0 || missing.length > 0)
    throw new EngineError('The upstream does not have the models to offer.', {
      metaMessages: [
        `Missing: ${missing.join(', ') || 'it has none at all'}`,
        `It has: ${
          data
            .map(({ id }) => id)
            .slice(0, 20)
            .join(', ') || 'none'
        }`,
      ],
    })
  const server = upstream.serverName()
  return found.map(({ id, owned_by: owner, max_model_len: length, meta }) => ({
    id,
    weights: Hex.zero,
    quantisation: 'unknown',
    build: ['openai upstream', owner ?? '', server].filter((part) => part !== '').join(' '),
    contextTokens: length ?? meta?.n_ctx_train ?? contextTokens,
    tiers: ['unverified'],
  }))
}

function parseModels(body: Buffer) {
  try {
    return Json.decode(modelList, body, { what: 'list of models' })
  } catch (cause) {
    const reason = cause instanceof BaseError ? cause.message : String(cause)
    throw garbage(`instead of its list of models (${reason})`, cause)
  }
}

function baseOf(url: string): URL {
  const base = URL.parse(url)
  if (!base || !/^https?:$/.test(base.protocol))
    throw new EngineError('The address of the upstream is not an HTTP URL.', {
      metaMessages: [`Address: ${url.slice(0, 200)}`, 'Fix: use one like http://127.0.0.1:8000/v1'],
    })
  const path = base.pathname.replace(/\/+$/, '')
  base.pathname = path.endsWith('/v1') ? path : `${path}/v1`
  return base
}

function tooMany(tokens: string, maxTokens: number): EngineError {
  return new EngineError('The upstream sent more tokens than it was asked for.', {
    metaMessages: [`Tokens: ${tokens}`, `Asked for: ${maxTokens}`],
  })
}

function garbage(what: string, cause?: unknown): EngineError {
  return new EngineError('The upstream sent something that is not an answer.', {
    cause,
    metaMessages: [`It sent: ${what}`],
  })
}
