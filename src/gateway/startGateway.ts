import Fastify, { type FastifyInstance } from 'fastify'
import type { Buyer } from '../buyer/Buyer.ts'
import * as Json from '../protocol/Json.ts'
import type { Clock } from '../runtime/Clock.ts'
import { BaseError } from '../runtime/Errors.ts'
import type { Logger } from '../runtime/Logger.ts'
import type { Random } from '../runtime/Random.ts'
import type { Store } from '../runtime/Store.ts'
import { answerRoutes } from './answers.ts'
import { cors } from './cors.ts'
import { startFlights } from './flights.ts'
import { authorise } from './keys.ts'
import { limits } from './limits.ts'
import { findModel, lookupRoutes } from './lookups.ts'
import { metrics, type Metrics } from './metrics.ts'
import * as Problem from './Problem.ts'
import { responseStore } from './responseStore.ts'
import type { Serving } from './Serving.ts'
import { startSpending, type Spending } from './startSpending.ts'

/** A running gateway. Disposing of it ends what is being answered, and charges nothing for it. */
export type Gateway = AsyncDisposable & {
  /** Base URL for clients, `/v1` not included. */
  readonly url: string
  readonly port: number
}

/**
 * Starts the OpenAI-compatible HTTP server in front of a buyer.
 *
 * @throws {ListenError} when the port cannot be had.
 * @example
 * ```ts
 * await using gateway = await startGateway({ buyer, store, clock, random, logger }, { port: 8080 })
 * ```
 */
export async function startGateway(
  ports: startGateway.Ports,
  options: startGateway.Options = {},
): Promise<Gateway> {
  const { buyer, store, clock, logger } = ports
  const { host = '127.0.0.1', port = 0, corsOrigin } = options
  await using stack = new AsyncDisposableStack()
  const spending = stack.use(await startSpending({ buyer, store, clock, logger }))
  const counts = metrics(help)
  const app = server(ports, options)
  stack.defer(() => app.close())
  options.onServer?.(app)
  const { timeoutMs = 600_000 } = options
  const flights = stack.use(startFlights({ clock }, { timeoutMs }))
  const serving = servingOf(ports, options, { spending, counts, flights })

  if (corsOrigin !== undefined) cors(app, corsOrigin)
  guard(app, ports, serving)
  observe(app, serving, counts)
  app.get('/healthz', { config: { open: true } }, async () => ({ status: 'ok' }))
  app.get('/metrics', async (request, reply) => {
    Problem.requireOperator(request.apiKey, 'The metrics are')
    const charged = Number(spending.chargedMicroUsd)
    const gauges = {
      weft_gateway_answers_running: serving.limits.running,
      weft_gateway_charged_micro_usd: charged,
    }
    return reply.type('text/plain; version=0.0.4').send(counts.text(gauges))
  })
  answerRoutes(app, serving)
  lookupRoutes(app, serving)

  const bound = await listen(app, host, port)
  logger.info({ host, port: bound }, 'gateway listens')
  const owned = stack.move()
  const name = host.includes(':') ? `[${host}]` : host
  return {
    url: `http://${name}:${bound}`,
    port: bound,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

export declare namespace startGateway {
  type Ports = { buyer: Buyer; store: Store; clock: Clock; random: Random; logger: Logger }
  type Options = {
    /** @default '127.0.0.1' */
    host?: string | undefined
    /** @default 0, any free one */
    port?: number | undefined
    /** The origin whose web pages may call the gateway. @default none */
    corsOrigin?: string | undefined
    /** The largest body, in bytes. @default 2 MiB */
    bodyLimitBytes?: number | undefined
    /** How long an answer may take. @default 600_000 */
    timeoutMs?: number | undefined
    /** How long a client may leave a stream unread. @default 60_000 */
    stallTimeoutMs?: number | undefined
    /** Tokens for chats and responses that do not say how many. @default 1024 */
    defaultMaxTokens?: number | undefined
    /** Stored responses: how many a key, and how long. */
    responses?: responseStore.Options | undefined
    /** Sees the server before it has routes; tests list them. */
    onServer?: ((app: FastifyInstance) => void) | undefined
  }
}

function server(ports: startGateway.Ports, options: startGateway.Options): FastifyInstance {
  const { bodyLimitBytes = 2 * 1024 * 1024 } = options
  const app = Fastify({
    bodyLimit: bodyLimitBytes,
    forceCloseConnections: true,
    requestTimeout: 60_000,
    keepAliveTimeout: 72_000,
    http: { headersTimeout: 20_000 },
    routerOptions: { maxParamLength: 512 },
    genReqId: () => `req_${randomHex(ports.random, 12)}`,
  })
  app.setReplySerializer((payload) => Json.stringify(payload))
  return app
}

function servingOf(
  ports: startGateway.Ports,
  options: startGateway.Options,
  parts: { spending: Spending; counts: Metrics; flights: Pick<Serving, 'takeOff'> },
): Serving {
  const { buyer, clock, random, logger, store } = ports
  const { spending, counts, flights } = parts
  return {
    buyer,
    spending,
    responses: responseStore({ store, clock }, options.responses),
    limits: limits({ clock }),
    clock,
    log: logger,
    stallTimeoutMs: options.stallTimeoutMs ?? 60_000,
    context: {
      model: (id) => findModel(buyer, id),
      seed: () => Math.floor(random.next() * 2 ** 32),
      defaultMaxTokens: options.defaultMaxTokens ?? 1024,
    },
    stamp: () => ({
      id: randomHex(random, 16),
      createdSeconds: Math.floor(clock.now() / 1000),
    }),
    count({ inputTokens, outputTokens }, { jobs }) {
      counts.add('weft_gateway_answers_total', {}, jobs.length)
      counts.add('weft_gateway_tokens_total', { kind: 'input' }, inputTokens)
      counts.add('weft_gateway_tokens_total', { kind: 'output' }, outputTokens)
    },
    takeOff: flights.takeOff,
    problem(error, requestId) {
      const problem = Problem.from(error)
      if (Problem.isOurs(problem)) logger.error({ error, requestId }, 'request failed')
      return problem
    },
  }
}

/** Lets nobody through without a key, except to open routes; also not to routes that do not exist. */
function guard(app: FastifyInstance, ports: startGateway.Ports, serving: Serving): void {
  app.decorateRequest('apiKey')
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id)
    reply.header('x-content-type-options', 'nosniff')
    if (request.routeOptions.config?.open) return
    const [, secret] = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '') ?? []
    if (secret === undefined)
      throw new Problem.RequestError('The request brings no API key.', {
        status: 401,
        code: 'missing_api_key',
        metaMessages: ["Fix: send it as 'Authorization: Bearer weft-sk-...'."],
      })
    const key = await authorise(ports, secret)
    request.apiKey = key
    const { remaining } = serving.limits.take(key)
    reply.header('x-ratelimit-limit-requests', String(key.requestsPerMinute))
    reply.header('x-ratelimit-remaining-requests', String(remaining))
  })
  app.setErrorHandler((error, request, reply) => {
    const problem = serving.problem(error, request.id)
    return reply.code(problem.status).headers(problem.headers).send(problem.body)
  })
  app.setNotFoundHandler((request) => {
    throw new Problem.RequestError(`Nothing answers ${request.method} here.`, {
      status: 404,
      code: 'unknown_url',
      metaMessages: ['Fix: the base URL of the API ends with /v1.'],
    })
  })
}

/** Counts and logs every answer: never a key, never a body, never a query. */
function observe(app: FastifyInstance, { clock, log }: Serving, counts: Metrics): void {
  const starts = new WeakMap<object, number>()
  app.addHook('onRequest', async (request) => void starts.set(request, clock.now()))
  app.addHook('onResponse', async (request, reply) => {
    const ms = clock.now() - (starts.get(request) ?? clock.now())
    const route = request.routeOptions.url ?? 'unknown'
    const { method, id: requestId } = request
    const { statusCode: status } = reply.raw
    counts.add('weft_gateway_requests_total', { route, method, status })
    counts.observe('weft_gateway_request_seconds', { route }, ms / 1000)
    const keyId = (request as Partial<typeof request>).apiKey?.id
    log.info({ requestId, method, route, status, ms, keyId }, 'request')
  })
}

const help = {
  weft_gateway_requests_total: 'Requests by route, method and status.',
  weft_gateway_request_seconds: 'Time from the first byte in to the last byte out.',
  weft_gateway_answers_total: 'Answers delivered.',
  weft_gateway_tokens_total: 'Tokens in delivered answers.',
  weft_gateway_answers_running: 'Answers being made now.',
  weft_gateway_charged_micro_usd: 'Charged for good to API keys since the start, in micro-USD.',
}

async function listen(app: FastifyInstance, host: string, port: number): Promise<number> {
  try {
    await app.listen({ host, port })
    const bound = app.server.address()
    return typeof bound === 'object' && bound ? bound.port : port
  } catch (cause) {
    throw new ListenError({ cause, host, port })
  }
}

function randomHex(random: Random, bytes: number): string {
  return Buffer.from(random.bytes(bytes)).toString('hex')
}

/** Thrown when the gateway cannot have its port. */
export class ListenError extends BaseError {
  override readonly code = 'Gateway.ListenError'

  constructor({ cause, host, port }: { cause: unknown; host: string; port: number }) {
    const taken = (cause as NodeJS.ErrnoException | undefined)?.code === 'EADDRINUSE'
    super(`The gateway cannot listen on ${host}:${port}.`, {
      cause,
      metaMessages: [
        `Reason: ${cause instanceof Error ? cause.message : String(cause)}`,
        taken
          ? 'Fix: stop the program that has the port, or choose another one with --port.'
          : 'Fix: choose an address of this machine with --host.',
      ],
    })
  }
}
