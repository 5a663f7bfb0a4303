import { open, stat } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import { pipeline } from 'node:stream/promises'
import type * as Hex from '../../protocol/Hex.ts'
import { messageOf } from '../../runtime/Errors.ts'
import type { Logger } from '../../runtime/Logger.ts'
import type { Bandwidth } from './bandwidth.ts'
import type { Certificate } from './certificate.ts'
import type { Manifest } from './manifest.ts'

/** A file that others may have, as it was when it was shared. */
export type SharedFile = {
  readonly path: string
  readonly mtimeMs: number
  readonly manifest: Manifest
}

/** Requests served at once, connections, and how long a client may stall. */
const requestsLimit = 64
const connectionsLimit = 256
const stallMs = 30_000

/**
 * Serves shared files by their hash: `GET /HASH` with `Range`, `GET /HASH/chunks`. Nothing else has an answer,
 * and no path of the machine is ever made from a request.
 */
export function bulkServer(
  ports: { logger: Logger; certificate: Certificate; upload: Bandwidth },
  shared: ReadonlyMap<Hex.Hex, SharedFile>,
): Server {
  const { logger, certificate, upload } = ports
  let running = 0

  const server = createServer(
    {
      key: certificate.key,
      cert: certificate.cert,
      minVersion: 'TLSv1.3',
      maxHeaderSize: 8192,
      headersTimeout: 10_000,
      requestTimeout: 10_000,
      keepAliveTimeout: 120_000,
      noDelay: true,
    },
    (request, response) => {
      if (running >= requestsLimit) return end(response, 503, { 'retry-after': '1' })
      running++
      response.on('close', () => running--)
      respond({ shared, upload }, request, response).catch((error: unknown) => {
        logger.debug({ reason: messageOf(error), url: request.url }, 'A bulk request failed.')
        if (response.headersSent) response.destroy()
        else end(response, 500)
      })
    },
  )
  server.maxConnections = connectionsLimit
  server.timeout = stallMs
  return server
}

type Shelf = {
  readonly shared: ReadonlyMap<Hex.Hex, SharedFile>
  readonly upload: Bandwidth
}

async function respond(
  { shared, upload }: Shelf,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const [, hash, , chunks] = /^\/([0-9a-f]{64})(\/(chunks))?$/.exec(request.url ?? '') ?? []
  const file = hash === undefined ? undefined : shared.get(`0x${hash}`)
  if (request.method !== 'GET' && request.method !== 'HEAD') return end(response, 405)
  if (!file) return end(response, 404)
  const headers = { etag: `"${hash}"`, 'cache-control': 'immutable' }
  if (chunks) {
    const body = JSON.stringify(file.manifest)
    const length = Buffer.byteLength(body)
    const type = 'application/json'
    response.writeHead(200, { ...headers, 'content-type': type, 'content-length': length })
    return void response.end(request.method === 'HEAD' ? undefined : body)
  }
  if (await hasChanged(file)) return end(response, 410)
  const range = parseRange(request.headers.range, file.manifest.bytes)
  if (!range) return end(response, 416, { 'content-range': `bytes */${file.manifest.bytes}` })
  await send(request, response, { file, range, headers, upload })
}

async function send(
  request: IncomingMessage,
  response: ServerResponse,
  options: {
    file: SharedFile
    range: Range
    headers: Readonly<Record<string, string>>
    upload: Bandwidth
  },
): Promise<void> {
  const { file, range, headers, upload } = options
  const { start, end: last, partial } = range
  const { bytes } = file.manifest
  response.writeHead(partial ? 206 : 200, {
    ...headers,
    'accept-ranges': 'bytes',
    'content-type': 'application/octet-stream',
    'content-length': last - start + 1,
    ...(partial ? { 'content-range': `bytes ${start}-${last}/${bytes}` } : {}),
  })
  if (request.method === 'HEAD' || bytes === 0) return void response.end()
  await using handle = await open(file.path, 'r')
  const highWaterMark = upload.isLimited ? limitedPieceBytes : pieceBytes
  const stream = handle.createReadStream({ start, end: last, highWaterMark, autoClose: false })
  if (!upload.isLimited) return await pipeline(stream, response)
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  await pipeline(
    stream,
    async function* (pieces: AsyncIterable<Uint8Array>) {
      for await (const piece of pieces) {
        await upload.take(piece.byteLength, { signal: gone.signal })
        yield piece
      }
    },
    response,
  )
}

/** What is read from the disk at once; less where it waits for its turn on the line. */
const pieceBytes = 1024 * 1024
const limitedPieceBytes = 32 * 1024

type Range = { readonly start: number; readonly end: number; readonly partial: boolean }

/** One range of bytes (RFC 9110, section 14); the whole file when none is asked for; undefined when it has no such bytes. */
export function parseRange(header: string | undefined, bytes: number): Range | undefined {
  if (header === undefined) return { start: 0, end: bytes - 1, partial: false }
  const [, first, last] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header) ?? []
  if (first === undefined || last === undefined || (first === '' && last === '')) return undefined
  const start = first === '' ? Math.max(0, bytes - Number(last)) : Number(first)
  const end = first === '' || last === '' ? bytes - 1 : Math.min(bytes - 1, Number(last))
  return start <= end && start < bytes ? { start, end, partial: true } : undefined
}

/** Whether a file is no longer what it was when it was shared. */
export async function hasChanged({ path, mtimeMs, manifest }: SharedFile): Promise<boolean> {
  const now = await stat(path).catch(() => undefined)
  return now?.mtimeMs !== mtimeMs || now.size !== manifest.bytes
}

function end(
  response: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { ...headers, 'content-length': 0 }).end()
}
