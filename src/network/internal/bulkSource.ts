import { Agent, request } from 'node:https'
import type { IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import type * as Hex from '../../protocol/Hex.ts'
import { BaseError } from '../../runtime/Errors.ts'
import type { Source } from '../Bulk.ts'
import { fingerprintOf } from './certificate.ts'
import * as Manifest from './manifest.ts'

/** One place that content can be fetched from. */
export type BulkSource = Disposable & {
  readonly url: string
  /**
   * @throws {LiarError} when it sends what cannot be right: never ask it again.
   * @throws {Error} when it cannot be reached now.
   */
  manifest(hash: Hex.Hex, options: Limits): Promise<Manifest.Manifest>
  /** Fetches one chunk and checks it. Throws as `manifest` does. */
  chunk(
    hash: Hex.Hex,
    manifest: Manifest.Manifest,
    index: number,
    options: { signal: AbortSignal },
  ): Promise<Uint8Array>
}

type Limits = { signal: AbortSignal; maxBytes: number }

/** Silence that breaks a request, and the longest a chunk may take. */
const stallMs = 15_000
const requestMs = 120_000

/**
 * Connects to a source, and talks to it only while it shows the certificate it is known by.
 *
 * @param options.onConnect is told of each connection, below its encryption.
 */
export function bulkSource(
  source: Source,
  { onConnect }: { onConnect?: ((socket: Socket) => void) | undefined } = {},
): BulkSource {
  const base = parseUrl(source.url)
  const agent = new Agent({
    keepAlive: true,
    maxSockets: 8,
    maxCachedSessions: 0,
    timeout: stallMs,
  })
  agent.createConnection = (options) => {
    const place = options as { host: string; port: number }
    const socket = connect({ ...place, noDelay: true })
    onConnect?.(socket)
    return connectTls({ ...place, socket })
  }

  async function get(path: string, limitBytes: number, signal: AbortSignal, range?: string) {
    const response = await send(agent, new URL(path, base), source.certificate, signal, range)
    const expected = range === undefined ? 200 : 206
    if (response.statusCode !== expected) {
      response.destroy()
      const status = response.statusCode ?? 0
      // It may be busy or restarting; but when it says that it does not have this, that is that.
      if (status >= 500) throw new Error(`It answered ${status}.`)
      throw new LiarError({ reason: `It answered ${status}.` })
    }
    return await readAll(response, limitBytes)
  }

  return {
    url: source.url,
    async manifest(hash, { signal, maxBytes }) {
      const most = 1024 + 70 * Manifest.chunkCount(maxBytes)
      const body = await get(`${hash.slice(2)}/chunks`, most, bounded(signal))
      const manifest = Manifest.parse(Buffer.from(body).toString())
      if (!manifest) throw new LiarError({ reason: 'Its list of chunks makes no sense.' })
      if (manifest.bytes > maxBytes)
        throw new LiarError({ reason: `It offers ${manifest.bytes} bytes, over ${maxBytes}.` })
      return manifest
    },
    async chunk(hash, manifest, index, { signal }) {
      const start = index * Manifest.chunkBytes
      const length = Manifest.chunkLength(manifest, index)
      const range = `bytes=${start}-${start + length - 1}`
      const chunk = await get(hash.slice(2), length, bounded(signal), range)
      if (chunk.byteLength !== length || Manifest.hashChunk(chunk) !== manifest.chunks[index])
        throw new LiarError({ reason: `Chunk ${index} has the wrong hash.` })
      return chunk
    },
    [Symbol.dispose]: () => agent.destroy(),
  }
}

function bounded(signal: AbortSignal): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(requestMs)])
}

function parseUrl(text: string): URL {
  const url = URL.parse(text.endsWith('/') ? text : `${text}/`)
  if (url?.protocol !== 'https:')
    throw new LiarError({ reason: 'Its address is not an HTTPS URL.' })
  return url
}

async function send(
  agent: Agent,
  url: URL,
  certificate: Hex.Hex,
  signal: AbortSignal,
  range: string | undefined,
): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const headers = range === undefined ? {} : { range }
  // Who vouches for the certificate does not matter: its hash is known.
  const outgoing = request(url, { agent, signal, headers, rejectUnauthorized: false }, resolve)
  outgoing.on('error', reject)
  outgoing.on('timeout', () => outgoing.destroy(new Error('It fell silent.')))
  outgoing.on('socket', (socket) => {
    const tls = socket as TLSSocket
    // A new connection has no certificate yet, one that is used again has shown it before.
    const check = () => {
      if (shown(tls) === certificate) outgoing.end()
      else outgoing.destroy(new LiarError({ reason: 'It shows another certificate.' }))
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

/** Reads a body, and no more than it may have. */
async function readAll(response: IncomingMessage, limitBytes: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let bytes = 0
  for await (const part of response as AsyncIterable<Uint8Array>) {
    bytes += part.byteLength
    if (bytes > limitBytes) {
      response.destroy()
      throw new LiarError({ reason: `It sent more than the ${limitBytes} bytes asked for.` })
    }
    parts.push(part)
  }
  return Buffer.concat(parts, bytes)
}

/** Thrown when a source sends something that cannot be right, or cannot have the content. */
export class LiarError extends BaseError {
  override readonly code = 'Bulk.LiarError'

  constructor({ reason }: { reason: string }) {
    super(reason)
  }
}
