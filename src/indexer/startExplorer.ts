import fastifyStatic from '@fastify/static'
import { fastify, type FastifyInstance, type FastifyReply } from 'fastify'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Clock } from '../runtime/Clock.ts'
import { BaseError, codeOf, messageOf } from '../runtime/Errors.ts'
import type { Logger } from '../runtime/Logger.ts'
import type * as Api from './Api.ts'
import { addRoutes, BadRequestError, NotFoundError } from './routes.ts'
import { serveEvents, TooManyListenersError } from './serveEvents.ts'
import type { Indexer } from './startIndexer.ts'

/** A running explorer: the page and the API behind it. Nothing can be written through it. */
export type Explorer = AsyncDisposable & {
  readonly url: string
  /** Every route, as `METHOD /path`. */
  readonly routes: readonly string[]
}

/**
 * Serves an indexer's tables as JSON under `/api/`, live changes at `/api/events`, and the page.
 *
 * @throws {PageError} when the page has not been built.
 * @throws {ListenError} when the port is taken.
 */
export async function startExplorer(
  ports: startExplorer.Ports,
  options: startExplorer.Options = {},
): Promise<Explorer> {
  const { indexer, clock, logger } = ports
  const { host = '127.0.0.1', port = 8788, page = builtPage, ...eventOptions } = options
  if (!existsSync(join(page, 'index.html'))) throw new PageError({ page })

  await using stack = new AsyncDisposableStack()
  const server = fastify({
    bodyLimit: 1024,
    connectionTimeout: 30_000,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 128 },
  })
  stack.defer(() => server.close())
  server.server.maxConnections = 1_000
  const events = stack.use(serveEvents({ clock }, eventOptions))
  stack.use(indexer.subscribe((changes) => events.add(changes)))

  const routes: string[] = []
  server.addHook('onRoute', ({ method, url }) => {
    for (const name of [method].flat()) routes.push(`${name} ${url}`)
  })
  server.addHook('onRequest', async (_, reply) => void reply.headers(guards))
  server.setErrorHandler((error, _, reply) => {
    const status = statusOf(error)
    if (status >= 500 && !(error instanceof TooManyListenersError))
      logger.error({ error }, 'A request to the explorer failed.')
    return problem(reply, status, error)
  })
  server.setNotFoundHandler((request, reply) => {
    const reads = request.method === 'GET' || request.method === 'HEAD'
    if (!reads) reply.header('allow', 'GET, HEAD')
    const error = reads
      ? new NotFoundError({ what: 'page', id: request.url.slice(0, 200) })
      : new ReadOnlyError()
    return problem(reply, reads ? 404 : 405, error)
  })
  addRoutes(server, { indexer, clock, events })
  await server.register(fastifyStatic, {
    root: page,
    cacheControl: false,
    setHeaders: (reply, path) =>
      void reply.header(
        'cache-control',
        path.includes('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache',
      ),
  })
  const url = await listen(server, host, port)

  const owned = stack.move()
  return { url, routes, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

export declare namespace startExplorer {
  type Ports = { indexer: Indexer; clock: Clock; logger: Logger }
  type Options = serveEvents.Options & {
    /** @default '127.0.0.1' */
    host?: string | undefined
    /** 0 takes any free one. @default 8788 */
    port?: number | undefined
    /** Folder of the built page. @default explorer/dist of this repository */
    page?: string | undefined
  }
}

const builtPage = fileURLToPath(new URL('../../explorer/dist', import.meta.url))

/** The page loads nothing from elsewhere, and nobody may frame it. */
const guards = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
} as const

async function listen(server: FastifyInstance, host: string, port: number): Promise<string> {
  try {
    return await server.listen({ host, port })
  } catch (cause) {
    throw new ListenError({ cause, host, port })
  }
}

function statusOf(error: unknown): number {
  if (error instanceof BadRequestError) return 400
  if (error instanceof NotFoundError) return 404
  if (error instanceof TooManyListenersError) return 503
  const status = (error as { statusCode?: unknown }).statusCode
  return typeof status === 'number' && status >= 400 && status < 500 ? status : 500
}

const titles: Readonly<Record<number, string>> = {
  400: 'Bad request',
  404: 'Not found',
  405: 'Method not allowed',
  500: 'Internal error',
  503: 'Service unavailable',
}

function problem(reply: FastifyReply, status: number, error: unknown): FastifyReply {
  const code = status === 500 ? 'Explorer.InternalError' : codeOf(error)
  const body: Api.Problem = {
    type: `urn:weft:problem:${code}`,
    title: titles[status] ?? 'Request refused',
    status,
    detail: status === 500 ? 'The explorer failed; its log says why.' : messageOf(error),
    code,
  }
  return reply
    .code(status)
    .header('content-disposition', 'inline')
    .type('application/problem+json; charset=utf-8')
    .send(JSON.stringify(body))
}

/** The answer to every method but GET and HEAD. */
export class ReadOnlyError extends BaseError {
  override readonly code = 'Explorer.ReadOnlyError'

  constructor() {
    super('The explorer only shows; nothing can be changed through it.')
  }
}

/** Thrown when the page has not been built. */
export class PageError extends BaseError {
  override readonly code = 'Explorer.PageError'

  constructor({ page }: { page: string }) {
    super("The explorer's page has not been built.", {
      metaMessages: [`Folder: ${page}`, 'Fix: npm run build --workspace @weft/explorer'],
    })
  }
}

/** Thrown when the explorer cannot listen. */
export class ListenError extends BaseError {
  override readonly code = 'Explorer.ListenError'

  constructor({ cause, host, port }: { cause: unknown; host: string; port: number }) {
    super(`The explorer cannot listen on ${host}:${port}.`, {
      cause,
      metaMessages: [
        `Reason: ${cause instanceof Error ? cause.message : String(cause)}`,
        'Fix: choose another port with --port, or 0 for any free one.',
      ],
    })
  }
}
