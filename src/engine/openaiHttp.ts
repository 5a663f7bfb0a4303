import * as http from 'node:http'
import * as https from 'node:https'
import { joinSignals, type Clock } from '../runtime/Clock.ts'
import { messageOf } from '../runtime/Errors.ts'
import { EngineError } from './Engine.ts'
import { failure } from './openaiMessages.ts'

/** Speaks HTTP with one server over connections that are kept. */
export type Upstream = AsyncDisposable & {
  /**
   * Sends a request and gives the body of the answer as it comes.
   *
   * @throws {EngineError} when the server cannot be reached, answers with an error, stays silent for
   *   longer than allowed, or sends more than `limitBytes`.
   */
  send(
    path: string,
    options: {
      body?: unknown
      limitBytes: number
      /** Longest silence: before the first byte, and between two pieces. */
      firstByteMs: number
      idleMs: () => number
      signal: AbortSignal
    },
  ): AsyncGenerator<Buffer, void>
  /** What the server calls itself in its last answer, or an empty text. */
  serverName(): string
}

/** Opens a client for the server at a base address such as `http://127.0.0.1:8000/v1`. */
export function openUpstream(
  { clock }: { clock: Clock },
  options: { base: URL; apiKey?: string | undefined; connections: number },
): Upstream {
  const { base, apiKey } = options
  const secure = base.protocol === 'https:'
  const settings = { keepAlive: true, maxSockets: options.connections }
  const agent = secure ? new https.Agent(settings) : new http.Agent(settings)
  let server = ''

  async function* send(
    path: string,
    { body, limitBytes, firstByteMs, idleMs, signal }: Parameters<Upstream['send']>[1],
  ): AsyncGenerator<Buffer, void> {
    signal.throwIfAborted()
    const url = new URL(`${base.pathname}${path}`, base)
    const guard = silenceGuard(clock, firstByteMs)
    using either = joinSignals(signal, guard.signal)
    let answer: http.IncomingMessage | undefined
    try {
      const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body))
      const create = secure ? https.request : http.request
      answer = await exchange(
        () => create(url, { ...requestOptions(payload, apiKey), agent, signal: either.signal }),
        payload,
      )
      server = String(answer.headers.server ?? '').slice(0, 64)
      if (answer.statusCode !== 200) throw await refusalOf(answer, url)
      let received = 0
      for await (const piece of answer.iterator({ destroyOnReturn: false })) {
        const bytes = piece as Buffer
        received += bytes.length
        if (received > limitBytes)
          throw upstreamError('sent more than the answer can need', url, `${received} bytes`)
        guard.heard(idleMs)
        yield bytes
      }
      if (!answer.complete) throw upstreamError('stopped in the middle of its answer', url)
    } catch (cause) {
      signal.throwIfAborted()
      if (guard.signal.aborted) throw upstreamError('stayed silent for too long', url)
      if (cause instanceof EngineError) throw cause
      throw upstreamError('cannot be reached or broke off', url, messageOf(cause), cause)
    } finally {
      guard.end()
      // Only an answer that was read to its end leaves a connection that can be used again.
      if (answer && !answer.complete) answer.destroy()
    }
  }

  return {
    send,
    serverName: () => server,
    async [Symbol.asyncDispose]() {
      agent.destroy()
    },
  }
}

function requestOptions(payload: Buffer | undefined, apiKey: string | undefined) {
  return {
    method: payload ? 'POST' : 'GET',
    headers: {
      accept: payload ? 'text/event-stream' : 'application/json',
      ...(payload
        ? { 'content-type': 'application/json', 'content-length': String(payload.length) }
        : {}),
      ...(apiKey ? { authorization: `Bearer ${apiKey}` } : {}),
    },
  }
}

/** Sends once more when a kept connection turns out to have been closed by the server meanwhile. */
async function exchange(
  create: () => http.ClientRequest,
  payload: Buffer | undefined,
): Promise<http.IncomingMessage> {
  for (let attempt = 0; ; attempt++) {
    const request = create()
    try {
      return await new Promise((resolve, reject) => {
        request.once('response', resolve)
        request.on('error', reject)
        request.end(payload)
      })
    } catch (error) {
      const stale = request.reusedSocket && (error as NodeJS.ErrnoException).code === 'ECONNRESET'
      if (!stale || attempt > 0) throw error
    }
  }
}

/** Aborts when nothing is heard for as long as allowed; looks at least twice a second. */
function silenceGuard(clock: Clock, firstMs: number) {
  const controller = new AbortController()
  const watching = new AbortController()
  let limitMs = () => firstMs
  let heardAt = clock.now()
  const watch = async () => {
    while (clock.now() - heardAt < limitMs())
      await clock.sleep(Math.min(500, Math.max(1, limitMs() / 4)), { signal: watching.signal })
    controller.abort()
  }
  watch().catch(() => {})
  return {
    signal: controller.signal,
    heard(nextMs: () => number) {
      heardAt = clock.now()
      limitMs = nextMs
    },
    end: () => watching.abort(over),
  }
}

/** Made once: an error an answer would cost a stack trace an answer. */
const over = new Error('The answer has ended.')

const refusalLimitBytes = 65_536

async function refusalOf(answer: http.IncomingMessage, url: URL): Promise<EngineError> {
  const pieces: Buffer[] = []
  let size = 0
  for await (const piece of answer) {
    pieces.push(piece as Buffer)
    size += (piece as Buffer).length
    if (size > refusalLimitBytes) break
  }
  const status = answer.statusCode ?? 0
  const said = messageIn(Buffer.concat(pieces).toString('utf8'))
  const fix =
    status === 401 || status === 403
      ? 'Fix: give the API key of the upstream.'
      : status === 404
        ? 'Fix: check the address (it usually ends with /v1) and the name of the model.'
        : 'Fix: see what the upstream logs.'
  return new EngineError(`The upstream answered with HTTP status ${status}.`, {
    metaMessages: [`Address: ${shown(url)}`, `It said: ${said}`, fix],
  })
}

function messageIn(text: string): string {
  try {
    const { error, message, detail } = failure.parse(JSON.parse(text))
    const found = typeof error === 'string' ? error : (error?.message ?? message)
    return (found ?? JSON.stringify(detail) ?? text).slice(0, 500)
  } catch {
    return text.slice(0, 500)
  }
}

function upstreamError(what: string, url: URL, reason?: string, cause?: unknown): EngineError {
  return new EngineError(`The upstream ${what}.`, {
    cause,
    metaMessages: [
      `Address: ${shown(url)}`,
      ...(reason === undefined ? [] : [`Reason: ${reason}`]),
      'Fix: check that the server runs and that its address and model are right.',
    ],
  })
}

/** Without what may be secret in it. */
function shown(url: URL): string {
  return `${url.origin}${url.pathname}`
}
