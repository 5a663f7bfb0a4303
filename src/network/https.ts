import { once } from 'node:events'
import { stat } from 'node:fs/promises'
import type { Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import type * as Hex from '../protocol/Hex.ts'
import type { Clock } from '../runtime/Clock.ts'
import { BaseError, messageOf } from '../runtime/Errors.ts'
import type { Logger } from '../runtime/Logger.ts'
import { UnavailableError, type Bulk, type FetchOptions, type Source } from './Bulk.ts'
import { bandwidth } from './internal/bandwidth.ts'
import { bulkServer, type SharedFile } from './internal/bulkServer.ts'
import type { BulkSource } from './internal/bulkSource.ts'
import { describeFile, forgetFile } from './internal/catalogue.ts'
import { loadCertificate } from './internal/certificate.ts'
import { fetchContent } from './internal/fetchContent.ts'
import { hashFile } from './internal/manifest.ts'
import { protocol, relayedServer } from './internal/relayedServer.ts'
import { sourcePool } from './internal/sourcePool.ts'
import { trafficMeter } from './internal/trafficMeter.ts'
import type { Network } from './Network.ts'

/** Sources asked at once for one content; further ones are left alone. */
const sourcesLimit = 32

/**
 * Moves large content over HTTPS: each file is served under its SHA-256, in chunks of 4 MiB that are checked as they
 * come, from as many sources as there are. Certificates are known by their hash, so nobody needs to vouch for them.
 * With a network, who cannot be reached that way is served over its streams, through a relay where there must be one.
 *
 * @throws {BulkListenError} when the port is in use.
 *
 * @example
 * ```ts
 * await using bulk = await httpsBulk({ clock, logger }, { directory: '.weft/bulk' })
 * const hash = await bulk.share('model.gguf')
 * await other.fetch(hash, 'copy.gguf', [bulk.source])
 * ```
 */
export async function httpsBulk(ports: httpsBulk.Ports, options: httpsBulk.Options): Promise<Bulk> {
  const { clock, logger, network } = ports
  const { directory, host = '127.0.0.1', port = 0, listenHost = host } = options
  const upload = bandwidth(clock, options.uploadBytesPerSecond)
  const download = bandwidth(clock, options.downloadBytesPerSecond)
  const certificate = loadCertificate(directory)
  const shared = new Map<Hex.Hex, SharedFile>()
  const running = new Map<string, Promise<unknown>>()
  const stopped = new AbortController()
  const meter = trafficMeter()
  await using stack = new AsyncDisposableStack()
  stack.defer(async () => void (await Promise.allSettled(running.values())))
  stack.defer(() => stopped.abort(new StoppedError()))
  const pool = stack.use(sourcePool({ clock, network, meter, download, onConnect: meter.watch }))
  if (network) stack.use(network.handle(protocol, relayedServer({ meter, upload }, shared)))
  const server = bulkServer({ logger, certificate, upload }, shared)
  server.on('connection', meter.watch)
  const bound = await listen(server, listenHost, port)
  stack.defer(async () => close(server))
  const owned = stack.move()

  async function fetchOnce(
    hash: Hex.Hex,
    path: string,
    sources: readonly Source[],
    fetchOptions: FetchOptions,
  ): Promise<void> {
    const { signal: given } = fetchOptions
    const signal = given ? AbortSignal.any([stopped.signal, given]) : stopped.signal
    if (await isThere(hash, path, signal)) return
    const reasons: string[] = []
    using opened = new DisposableStack()
    const usable = sources.slice(0, sourcesLimit).flatMap((source): readonly BulkSource[] => {
      try {
        return [opened.use(pool.take(source))]
      } catch (error) {
        reasons.push(`${source.url.slice(0, 256)}: ${messageOf(error)}`)
        return []
      }
    })
    if (usable.length === 0) throw new UnavailableError({ hash, reasons })
    const onLiar = (source: BulkSource, reason: string) => pool.leaveAlone(source, reason)
    await fetchContent({ clock, onLiar }, hash, path, usable, { ...fetchOptions, signal })
  }

  return {
    source: { url: `https://${bracketed(host)}:${bound}`, certificate: certificate.fingerprint },
    async share(path) {
      const { hash, ...file } = await describeFile(directory, path)
      shared.set(hash, file)
      return hash
    },
    async unshare(hash) {
      const file = shared.get(hash)
      shared.delete(hash)
      if (file) await forgetFile(directory, file.path)
    },
    traffic: meter.read,
    async fetch(hash, path, sources, fetchOptions = {}) {
      // Two calls for one path would write to one file: the second waits, and then finds it there.
      const earlier = running.get(path)
      const task = (async () => {
        await earlier?.catch(() => {})
        fetchOptions.signal?.throwIfAborted()
        stopped.signal.throwIfAborted()
        await fetchOnce(hash, path, sources, fetchOptions)
      })()
      running.set(path, task)
      try {
        await task
      } finally {
        if (running.get(path) === task) running.delete(path)
      }
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

export declare namespace httpsBulk {
  type Ports = {
    clock: Clock
    logger: Logger
    /** Serves those who cannot reach us, and asks those whom we cannot reach. */
    network?: Network | undefined
  }
  type Options = {
    /** Where the certificate and the hashes of shared files are kept. Made when it is not there. */
    directory: string
    /** Name or address that others reach us at. @default '127.0.0.1' */
    host?: string | undefined
    /** @default 0, any free port */
    port?: number | undefined
    /** Address to listen on, when it is not `host`. @default host */
    listenHost?: string | undefined
    /** What may be sent and received, contents alone. @default as much as the line takes */
    uploadBytesPerSecond?: number | undefined
    downloadBytesPerSecond?: number | undefined
  }
}

async function isThere(hash: Hex.Hex, path: string, signal: AbortSignal): Promise<boolean> {
  const found = await stat(path).catch(() => undefined)
  return found?.isFile() === true && (await hashFile(path, { signal })).hash === hash
}

async function listen(server: Server, host: string, port: number): Promise<number> {
  try {
    server.listen(port, host)
    await once(server, 'listening')
    return (server.address() as AddressInfo).port
  } catch (cause) {
    throw new BulkListenError({ host, port, cause })
  }
}

async function close(server: Server): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  server.closeAllConnections()
  await closed
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}

/** Thrown when the bulk server cannot listen. */
export class BulkListenError extends BaseError {
  override readonly code = 'Bulk.ListenError'

  constructor({ host, port, cause }: { host: string; port: number; cause: unknown }) {
    super('The bulk server could not start.', {
      cause,
      metaMessages: [
        `Address: ${host}:${port}`,
        `Reason: ${messageOf(cause)}`,
        'Fix: choose a free port, or an address of this machine.',
      ],
    })
  }
}

/** Thrown at fetches that were under way when the bulk port was closed. */
export class StoppedError extends BaseError {
  override readonly code = 'Bulk.StoppedError'

  constructor() {
    super('The transfer was stopped; what has arrived is kept.')
  }
}
