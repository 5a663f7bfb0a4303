import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import * as z from 'zod/mini'
import * as Json from '../protocol/Json.ts'
import type { Clock } from '../runtime/Clock.ts'
import { BaseError } from '../runtime/Errors.ts'
import * as Api from './Api.ts'
import type { EventStream } from './serveEvents.ts'
import type { Indexer } from './startIndexer.ts'
import * as disputes from './tables/readDisputes.ts'
import * as jobs from './tables/readJobs.ts'
import * as network from './tables/readNetwork.ts'
import * as training from './tables/trainingTables.ts'

/** Adds the routes of the API. All of them only read. */
export function addRoutes(server: FastifyInstance, ports: addRoutes.Ports): void {
  const { indexer, clock, events } = ports
  const { database, domain } = indexer
  const answer = answers(ports)

  server.get('/api/network', (request, reply) => {
    parse(Api.noQuery, request.query)
    return answer(request, reply, (): Api.Network => ({
      chainId: domain.chainId,
      vault: domain.vault,
      chain: indexer.chain,
      ...network.readNetwork(database, clock.now()),
    }))
  })
  server.get('/api/providers', (request, reply) => {
    parse(Api.noQuery, request.query)
    return answer(request, reply, () => network.readProviders(database, clock.now()))
  })
  server.get('/api/providers/:address', (request, reply) => {
    const { address } = parse(Api.byAddress, request.params)
    return answer(request, reply, () =>
      found('provider', address, network.readProvider(database, clock.now(), address)),
    )
  })
  server.get('/api/jobs', (request, reply) => {
    const query = parse(Api.jobsQuery, request.query)
    return answer(request, reply, () => jobs.readJobs(database, query))
  })
  server.get('/api/jobs/:id', (request, reply) => {
    const { id } = parse(Api.byHash, request.params)
    return answer(request, reply, () => found('job', id, jobs.readJob(database, id)))
  })
  server.get('/api/jobs/:id/receipt', (request, reply) => {
    const { id } = parse(Api.byHash, request.params)
    reply.header(
      'content-disposition',
      `attachment; filename="weft-receipt-${id.slice(0, 10)}.json"`,
    )
    return answer(
      request,
      reply,
      () => found('receipt of job', id, jobs.readReceipt(database, id)).signed,
    )
  })
  server.get('/api/leases', (request, reply) => {
    const query = parse(Api.leasesQuery, request.query)
    return answer(request, reply, () => jobs.readLeases(database, query))
  })
  server.get('/api/leases/:id', (request, reply) => {
    const { id } = parse(Api.byHash, request.params)
    return answer(request, reply, () => found('lease', id, jobs.readLeaseDetail(database, id)))
  })
  server.get('/api/orders/:id', (request, reply) => {
    const { id } = parse(Api.byHash, request.params)
    return answer(request, reply, () => found('order', id, jobs.readOrder(database, id)))
  })
  server.get('/api/disputes', (request, reply) => {
    const query = parse(Api.disputesQuery, request.query)
    return answer(request, reply, () => disputes.readDisputes(database, query))
  })
  server.get('/api/disputes/:id', (request, reply) => {
    const { id } = parse(Api.byHash, request.params)
    return answer(request, reply, () => found('dispute', id, disputes.readDispute(database, id)))
  })
  server.get('/api/training', (request, reply) => {
    const query = parse(Api.trainingQuery, request.query)
    return answer(request, reply, () => training.readTrainings(database, query))
  })
  server.get('/api/training/curves', (request, reply) => {
    const { runs } = parse(Api.curvesQuery, request.query)
    return answer(request, reply, () => training.readCurves(database, runs))
  })
  server.get('/api/training/:id', (request, reply) => {
    const { id } = parse(Api.byHash, request.params)
    return answer(request, reply, () =>
      found('run of training', id, training.readTraining(database, id)),
    )
  })
  server.get('/api/money', (request, reply) => {
    const query = parse(Api.moneyQuery, request.query)
    return answer(request, reply, () => network.readMoneyPage(database, query))
  })
  server.get('/api/activity', (request, reply) => {
    const query = parse(Api.activityQuery, request.query)
    // A long time takes long to add up, and changes little in a second.
    const keptMs = query.minutes * 50
    return answer(request, reply, () => network.readActivity(database, clock.now(), query), keptMs)
  })
  server.get('/api/events', (request, reply) => {
    parse(Api.noQuery, request.query)
    events.open(request, reply)
  })
}

export declare namespace addRoutes {
  type Ports = { indexer: Indexer; clock: Clock; events: EventStream }
}

type Cached = {
  readonly revision: number
  readonly at: number
  readonly body: string
  readonly etag: string
}

/**
 * Answers are kept for as long as the tables do not change, a second at most, or for `keptMs` whatever
 * happens: many readers cost one query.
 */
function answers({ indexer, clock }: addRoutes.Ports) {
  const cache = new Map<string, Cached>()
  return (
    request: FastifyRequest,
    reply: FastifyReply,
    read: () => unknown,
    keptMs?: number,
  ): FastifyReply => {
    const found = cache.get(request.url)
    const now = clock.now()
    const same = keptMs !== undefined || found?.revision === indexer.revision
    const fresh = found && same && now - found.at < (keptMs ?? usuallyKeptMs)
    const cached = fresh ? found : cachedOf(Json.stringify(read()), indexer.revision, now)
    if (cache.size >= cacheLimit) cache.clear()
    cache.set(request.url, cached)
    reply.header('etag', cached.etag).header('cache-control', 'no-cache')
    if (request.headers['if-none-match'] === cached.etag) return reply.code(304).send()
    return reply.type('application/json; charset=utf-8').send(cached.body)
  }
}

const usuallyKeptMs = 1_000
const cacheLimit = 200

function cachedOf(body: string, revision: number, at: number): Cached {
  return { revision, at, body, etag: `"${hashOf(body)}"` }
}

/** FNV-1a, two lanes: an ETag only has to differ when the body does. */
function hashOf(text: string): string {
  let a = 0x811c9dc5
  let b = 0x1b873593
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    a = Math.imul(a ^ code, 0x01000193)
    b = Math.imul(b ^ code, 0x85ebca6b)
  }
  return `${(a >>> 0).toString(36)}${(b >>> 0).toString(36)}${text.length.toString(36)}`
}

function parse<type>(schema: z.ZodMiniType<type>, value: unknown): type {
  const result = z.safeParse(schema, value)
  if (result.success) return result.data
  const [issue] = result.error.issues
  throw new BadRequestError({ field: issue?.path.join('.') ?? '', issue: issue?.message ?? '' })
}

function found<type>(what: string, id: string, value: type | undefined): type {
  if (value === undefined) throw new NotFoundError({ what, id })
  return value
}

/** Thrown when a path or a query is not what the route takes. */
export class BadRequestError extends BaseError {
  override readonly code = 'Explorer.BadRequestError'

  constructor({ field, issue }: { field: string; issue: string }) {
    super(`The address is not one this server knows: ${field || 'query'}: ${issue}`, {
      metaMessages: ['Fix: see src/indexer/Api.ts for what each route takes.'],
    })
  }
}

/** Thrown when the tables know nothing of what was asked for. */
export class NotFoundError extends BaseError {
  override readonly code = 'Explorer.NotFoundError'

  constructor({ what, id }: { what: string; id: string }) {
    super(`Nothing is known of the ${what} ${id}.`)
  }
}
