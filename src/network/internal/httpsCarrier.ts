import type { IncomingMessage } from 'node:http'
import { Agent, request } from 'node:https'
import { connect, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import type * as Hex from '../../protocol/Hex.ts'
import type { Source } from '../Bulk.ts'
import type { Bandwidth } from './bandwidth.ts'
import {
  type Carrier,
  gather,
  type Part,
  RefusalError,
  stallMs,
  StrangerError,
} from './bulkSource.ts'
import { fingerprintOf } from './certificate.ts'

/** How long a connection may take until it is there: who is behind NAT mostly answers nothing at all. */
const connectMs = 4_000

/**
 * Carries parts over HTTPS, on connections that stay open, and talks to a server only while it shows the
 * certificate it is known by.
 *
 * @param options.onConnect is told of each connection, below its encryption.
 * @throws {StrangerError} when the address is none.
 */
export function httpsCarrier(
  source: Source,
  { onConnect, download }: httpsCarrier.Options,
): Disposable & { readonly carry: Carrier } {
  const base = parseUrl(source.url)
  const agent = new Agent({
    keepAlive: true,
    maxSockets: 8,
    maxCachedSessions: 0,
  })
  agent.createConnection = (options) => {
    const place = options as { host: string; port: number }
    const socket = connect({ ...place, noDelay: true, timeout: connectMs })
    socket.on('timeout', () => {
      if (socket.connecting) socket.destroy(new Error('It does not answer.'))
    })
    onConnect(socket)
    return connectTls({ ...place, socket })
  }

  async function carry(
    hash: Hex.Hex,
    part: Part,
    { signal, limitBytes }: Parameters<Carrier>[2],
  ): Promise<Uint8Array> {
    const path = `${hash.slice(2)}${part.what === 'chunks' ? '/chunks' : ''}`
    const range =
      part.what === 'range' ? `bytes=${part.start}-${part.start + part.length - 1}` : undefined
    const url = new URL(path, base)
    const response = await send(agent, url, { certificate: source.certificate, signal, range })
    const expected = range === undefined ? 200 : 206
    const status = response.statusCode ?? 0
    try {
      // It may be busy or restarting; but when it says that it does not have this, that is that.
      if (status >= 500) throw new Error(`It answered ${status}.`)
      if (status !== expected) throw new RefusalError({ reason: `It answered ${status}.` })
      return await gather(response, limitBytes, (bytes) => download.take(bytes, { signal }))
    } catch (error) {
      response.destroy()
      throw error
    }
  }

  return { carry, [Symbol.dispose]: () => agent.destroy() }
}

export declare namespace httpsCarrier {
  type Options = { onConnect: (socket: Socket) => void; download: Bandwidth }
}

function parseUrl(text: string): URL {
  const url = URL.parse(text.endsWith('/') ? text : `${text}/`)
  if (url?.protocol !== 'https:')
    throw new StrangerError({ reason: 'Its address is not an HTTPS URL.' })
  return url
}

async function send(
  agent: Agent,
  url: URL,
  options: { certificate: Hex.Hex; signal: AbortSignal; range: string | undefined },
): Promise<IncomingMessage> {
  const { certificate, signal, range } = options
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const headers = range === undefined ? {} : { range }
  // Who vouches for the certificate does not matter: its hash is known.
  const outgoing = request(
    url,
    { agent, signal, headers, timeout: stallMs, rejectUnauthorized: false },
    resolve,
  )
  outgoing.on('error', reject)
  outgoing.on('timeout', () => outgoing.destroy(new Error('It fell silent.')))
  outgoing.on('socket', (socket) => {
    const tls = socket as TLSSocket
    // A new connection has no certificate yet, one that is used again has shown it before.
    const check = () => {
      if (shown(tls) === certificate) outgoing.end()
      else outgoing.destroy(new StrangerError({ reason: 'It shows another certificate.' }))
    }
    if (shown(tls) === undefined) tls.once('secureConnect', check)
    else check()
  })
  return await promise
}

function shown(socket: TLSSocket): Hex.Hex | undefined {
  // An empty object before the handshake, whatever its type says.
  const { raw } = (socket.getPeerCertificate() ?? {}) as { readonly raw?: Buffer }
  return raw && fingerprintOf(raw)
}
