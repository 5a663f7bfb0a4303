import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { AvailableModel, Buyer } from '../buyer/Buyer.ts'
import type * as Hex from '../protocol/Hex.ts'
import { RequestError, requireOperator } from './Problem.ts'
import type { Serving } from './Serving.ts'

/** The routes that look something up: models, stored responses, jobs, balance. */
export function lookupRoutes(app: FastifyInstance, serving: Serving): void {
  const { buyer, spending, responses } = serving
  const createdSeconds = Math.floor(serving.clock.now() / 1000)
  const entry = (id: string, models: readonly AvailableModel[]) => ({
    id,
    object: 'model',
    created: createdSeconds,
    owned_by: 'weft',
    weft: models.map((model) => ({ ...model, id: undefined })),
  })

  app.get('/v1/models', async () => {
    const byId = Map.groupBy(buyer.models(), ({ id }) => id)
    return { object: 'list', data: [...byId].map(([id, models]) => entry(id, models)) }
  })
  // Ids of models may hold slashes.
  app.get('/v1/models/*', async (request) => {
    const id = parameter(request, '*')
    findModel(buyer, id)
    return entry(
      id,
      buyer.models().filter((model) => model.id === id),
    )
  })
  app.get('/v1/responses/:id', async (request) => {
    const id = parameter(request, 'id')
    const found = await responses.load(request.apiKey, id)
    if (!found) throw missing('response', id)
    return found.response
  })
  app.delete('/v1/responses/:id', async (request) => {
    const id = parameter(request, 'id')
    if (!(await responses.remove(request.apiKey, id))) throw missing('response', id)
    return { id, object: 'response', deleted: true }
  })
  app.get('/v1/weft/jobs/:id', async (request) => {
    const id = parameter(request, 'id') as Hex.Hex
    const known = /^0x[0-9a-f]{64}$/.test(id) && (await spending.owns(request.apiKey, id))
    const record = known ? await buyer.job(id) : undefined
    if (!record) throw missing('job', id)
    return record
  })
  app.get('/v1/weft/balance', async ({ apiKey }) => {
    const { id, name, prefix, operator } = apiKey
    const account = await spending.account(apiKey)
    const own = operator ? { buyer: { address: buyer.address, ...(await buyer.balance()) } } : {}
    return { key: { id, name, prefix, ...account }, ...own }
  })
  app.get('/v1/weft/leases', async ({ apiKey }) => {
    requireOperator(apiKey, 'The leases are')
    return { leases: buyer.leases() }
  })
}

/**
 * The cheapest entry of a model, by its id.
 *
 * @throws {RequestError} 404 when nobody offers it; 503 when nobody offers anything.
 */
export function findModel(buyer: Buyer, id: string): AvailableModel {
  const models = buyer.models()
  const [found] = models
    .filter((model) => model.id === id)
    .toSorted((a, b) => (cost(a) < cost(b) ? -1 : 1))
  if (found) return found
  if (models.length === 0)
    throw new RequestError('No provider is on the network right now.', {
      status: 503,
      code: 'no_provider',
      retry: 2,
      metaMessages: ['Fix: wait for one, or start one with `weft provide`.'],
    })
  const names = [...new Set(models.map((model) => model.id))].slice(0, 20)
  throw new RequestError(`The model '${id.slice(0, 128)}' does not exist on this network.`, {
    status: 404,
    code: 'model_not_found',
    param: 'model',
    metaMessages: [`It has: ${names.join(', ')}`],
  })
}

function cost(model: AvailableModel): bigint {
  return model.inputMicroUsdPerMillion + model.outputMicroUsdPerMillion
}

function parameter(request: FastifyRequest, name: string): string {
  return (request.params as Readonly<Record<string, string>>)[name] ?? ''
}

/** Things of other keys are missing too: nobody learns that they exist. */
function missing(what: string, id: string): RequestError {
  return new RequestError(
    `No ${what} with this id belongs to the API key: '${id.slice(0, 128)}'.`,
    {
      status: 404,
      code: `${what}_not_found`,
      param: 'id',
    },
  )
}
