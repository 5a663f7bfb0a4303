/** An OpenAI-compatible server for tests and benchmarks, in the shapes of the servers people run. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import type { CompletionEvent, Engine } from '../src/engine/Engine.ts'
import { codeOf, messageOf } from '../src/runtime/Errors.ts'
import type * as Completion from '../src/protocol/Completion.ts'

export type Flavour = 'vllm' | 'ollama' | 'llama-server'

/** What goes wrong, after the third piece of text where it happens inside an answer. */
export type Fault =
  | 'none'
  | 'garbage-event'
  | 'html'
  | 'cut'
  | 'silent'
  | 'error-event'
  | 'error-status'
  | 'no-usage'
  | 'no-finish'
  | 'too-many-tokens'
  | 'endless'
  | 'content-filter'
  | 'ignores-stop'
  | 'never-closes'

export type Upstream = AsyncDisposable & {
  readonly url: string
  /** Answers under way. */
  readonly active: () => number
  /** Connections accepted so far. */
  readonly connections: () => number
  /** Headers of the last request. */
  readonly lastHeaders: () => IncomingMessage['headers']
  fault: Fault
}

/** Serves what `engine` answers, over loopback. */
export async function startUpstream(
  engine: Engine,
  options: { flavour?: Flavour; delayMs?: number } = {},
): Promise<Upstream> {
  const { flavour = 'vllm', delayMs = 0 } = options
  let active = 0
  let connections = 0
  let headers: IncomingMessage['headers'] = {}
  const upstream = { fault: 'none' as Fault }

  const server = createServer((request, response) => {
    headers = request.headers
    const handle = async () => {
      if (request.url === '/v1/models') return reply(response, 200, modelsOf(engine, flavour))
      if (upstream.fault === 'error-status')
        return reply(response, 503, { error: { message: 'the queue is full', code: 503 } })
      active++
      try {
        if (delayMs > 0) await wait(delayMs)
        await answer(engine, flavour, upstream.fault, request, response)
      } finally {
        active--
      }
    }
    handle().catch((error: unknown) => {
      if (!response.headersSent)
        reply(response, 400, { error: { message: messageOf(error), code: codeOf(error) } })
      else response.destroy()
    })
  })
  server.on('connection', () => connections++)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return Object.assign(upstream, {
    url: `http://127.0.0.1:${port}`,
    active: () => active,
    connections: () => connections,
    lastHeaders: () => headers,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  })
}

function modelsOf(engine: Engine, flavour: Flavour) {
  const data = engine.models.map(({ id, contextTokens }) => {
    const shared = { id, object: 'model', created: 1_760_000_000 }
    if (flavour === 'vllm')
      return { ...shared, owned_by: 'vllm', root: id, parent: null, max_model_len: contextTokens }
    if (flavour === 'ollama') return { ...shared, owned_by: 'library' }
    return { ...shared, owned_by: 'llamacpp', meta: { vocab_type: 2, n_ctx_train: contextTokens } }
  })
  return { object: 'list', data }
}

async function answer(
  engine: Engine,
  flavour: Flavour,
  fault: Fault,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const controller = new AbortController()
  response.on('close', () => controller.abort())
  const body = JSON.parse(await textOf(request)) as Body
  const chat = request.url === '/v1/chat/completions'
  const asked = requestOf(body, fault)
  if (fault === 'html') {
    response.writeHead(200, { 'content-type': 'text/html' })
    response.end('<html>It works!</html>')
    return
  }
  const write = async (event: unknown) => {
    if (!response.write(`data: ${JSON.stringify(event)}\n\n`) && !response.closed)
      await Promise.race([once(response, 'drain'), once(response, 'close')])
  }
  const envelope = envelopeOf(flavour, chat, body.model)
  const start = () => {
    if (response.headersSent) return
    response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      server: flavour === 'vllm' ? 'uvicorn' : flavour,
    })
  }
  let pieces = 0
  for await (const event of engine.complete(asked, { signal: controller.signal })) {
    if (pieces === 0) {
      start()
      if (chat && flavour !== 'ollama') await write(envelope([firstChoice(flavour)], undefined))
    }
    if (event.type === 'completion-delta') {
      await write(envelope([deltaChoice(event.delta, chat, asked.logprobs)], undefined))
      if (++pieces === 3 && (await misbehave(fault, response, controller.signal))) return
    } else await finish(event, { fault, chat, flavour, envelope, write })
  }
  if (fault === 'no-usage' || fault === 'no-finish') response.end()
  else if (fault === 'never-closes') response.write('data: [DONE]\n\n')
  else response.end('data: [DONE]\n\n')
}

/** Whether the answer ends here. */
async function misbehave(
  fault: Fault,
  response: ServerResponse,
  signal: AbortSignal,
): Promise<boolean> {
  if (fault === 'garbage-event') response.end('data: {"choices": [{"delta": \n\n')
  else if (fault === 'cut') response.destroy()
  else if (fault === 'silent') await once(signal, 'abort')
  else if (fault === 'error-event')
    response.end('data: {"error": {"message": "out of memory", "code": 500}}\n\n')
  else if (fault === 'endless')
    while (!response.closed) {
      response.write(`: ${'x'.repeat(65_536)}\n`)
      await wait(1)
    }
  else return false
  return true
}

async function finish(
  event: Extract<CompletionEvent, { type: 'completion-end' }>,
  to: {
    fault: Fault
    chat: boolean
    flavour: Flavour
    envelope: ReturnType<typeof envelopeOf>
    write: (event: unknown) => Promise<void>
  },
): Promise<void> {
  const { fault, chat, flavour, envelope, write } = to
  if (fault === 'no-finish') return
  const reason = fault === 'content-filter' ? 'content_filter' : event.finishReason
  const empty = chat ? { delta: flavour === 'llama-server' ? {} : { content: '' } } : { text: '' }
  await write(envelope([{ index: 0, ...empty, finish_reason: reason }], undefined))
  if (fault === 'no-usage') return
  const { inputTokens, outputTokens } = event.usage
  const usage = {
    prompt_tokens: inputTokens,
    completion_tokens: outputTokens,
    total_tokens: inputTokens + outputTokens,
  }
  await write(envelope([], usage))
}

type Body = {
  readonly model: string
  readonly messages?: { role: 'user'; content: string }[]
  readonly prompt?: string
  readonly max_tokens: number
  readonly temperature: number
  readonly top_p: number
  readonly seed: number
  readonly stop?: string[]
  readonly logprobs?: boolean | number
  readonly top_logprobs?: number
}

function requestOf(body: Body, fault: Fault): Completion.Request {
  return {
    model: body.model,
    input: body.messages
      ? { kind: 'chat', messages: body.messages }
      : { kind: 'text', prompt: body.prompt ?? '' },
    maxTokens: fault === 'too-many-tokens' ? body.max_tokens + 1 : body.max_tokens,
    temperatureMicro: Math.round(body.temperature * 1e6),
    topPMicro: Math.round(body.top_p * 1e6),
    seed: body.seed,
    stop: fault === 'ignores-stop' ? [] : (body.stop ?? []),
    logprobs: body.top_logprobs ?? Number(body.logprobs ?? 0),
  }
}

function envelopeOf(flavour: Flavour, chat: boolean, model: string) {
  const shared = {
    id: chat ? 'chatcmpl-1' : 'cmpl-1',
    object: chat ? 'chat.completion.chunk' : 'text_completion',
    created: 1_760_000_000,
    model,
    ...(flavour === 'ollama' ? { system_fingerprint: 'fp_ollama' } : {}),
    ...(flavour === 'llama-server' ? { system_fingerprint: 'b6000-abcdef' } : {}),
  }
  return (choices: readonly unknown[], usage: unknown) => ({
    ...shared,
    choices,
    ...(usage === undefined ? {} : { usage }),
    ...(usage !== undefined && flavour === 'llama-server' ? { timings: { predicted_n: 1 } } : {}),
  })
}

function firstChoice(flavour: Flavour) {
  const content = flavour === 'llama-server' ? null : ''
  return { index: 0, delta: { role: 'assistant', content }, logprobs: null, finish_reason: null }
}

function deltaChoice(delta: Completion.Delta, chat: boolean, wanted: number) {
  const scores = delta.logprobs ?? []
  const logprobs =
    wanted === 0 || scores.length === 0 ? null : chat ? scoredTokens(scores) : columns(scores)
  const made = chat ? { delta: { content: delta.text } } : { text: delta.text }
  return { index: 0, ...made, logprobs, finish_reason: null }
}

function scoredTokens(scores: readonly Completion.Logprob[]) {
  return {
    content: scores.map(({ token, logprob, top }) => ({
      token,
      logprob,
      bytes: [...Buffer.from(token)],
      top_logprobs: top.map((entry) => ({ ...entry, bytes: [...Buffer.from(entry.token)] })),
    })),
  }
}

function columns(scores: readonly Completion.Logprob[]) {
  return {
    tokens: scores.map(({ token }) => token),
    token_logprobs: scores.map(({ logprob }) => logprob),
    top_logprobs: scores.map(({ top }) =>
      Object.fromEntries(top.map(({ token, logprob }) => [token, logprob])),
    ),
    text_offset: scores.map((_, index) => index),
  }
}

function reply(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}

async function textOf(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = []
  for await (const piece of request) pieces.push(piece as Buffer)
  return Buffer.concat(pieces).toString('utf8')
}
