import type { FastifyInstance } from 'fastify'

/**
 * Lets pages of one origin call the gateway. Without it browsers keep every page away, which is
 * the default; a key is needed either way.
 */
export function cors(app: FastifyInstance, allowed: string): void {
  app.addHook('onRequest', async (request, reply) => {
    const { origin } = request.headers
    reply.header('vary', 'origin')
    if (origin !== allowed) return
    reply.header('access-control-allow-origin', origin)
    reply.header('access-control-expose-headers', exposed)
  })
  app.options('*', { config: { open: true } }, async (request, reply) => {
    const wanted = String(request.headers['access-control-request-headers'] ?? '')
    return reply
      .code(204)
      .headers({
        'access-control-allow-methods': 'GET, POST, DELETE',
        'access-control-allow-headers': /^[\w ,-]{0,2048}$/.test(wanted) ? wanted : 'authorization',
        'access-control-max-age': '600',
      })
      .send()
  })
}

const exposed = [
  'x-request-id',
  'retry-after',
  'weft-job',
  'weft-provider',
  'weft-price-micro-usd',
  'weft-receipt',
  'weft-assurance',
].join(', ')
