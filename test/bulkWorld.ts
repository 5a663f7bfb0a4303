/** Bulk ports over loopback, and servers that answer as a test likes. */
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Source } from '../src/network/Bulk.ts'
import { httpsBulk } from '../src/network/https.ts'
import { createCertificate } from '../src/network/internal/certificate.ts'
import { chunkBytes, hashFile } from '../src/network/internal/manifest.ts'
import { seededRandom } from '../src/runtime/seededRandom.ts'
import { silentLogger } from '../src/runtime/silentLogger.ts'
import { systemClock } from '../src/runtime/systemClock.ts'

const ports = { clock: systemClock(), logger: silentLogger() }

/** What a server of a test says. */
export type Answer = (request: IncomingMessage, response: ServerResponse) => unknown

type Gates = { readonly list?: Promise<void>; readonly chunks?: Promise<void> }
type BulkOptions = Partial<httpsBulk.Options & httpsBulk.Ports>

/** Makes three bulk ports in a folder of their own. */
export async function createBulkWorld(options: BulkOptions = {}) {
  const stack = new AsyncDisposableStack()
  const directory = mkdtempSync(join(tmpdir(), 'weft-bulk-'))
  stack.defer(() => rmSync(directory, { recursive: true, force: true }))
  const start = async (name: string, more: BulkOptions = {}) =>
    stack.use(
      await httpsBulk(
        { ...ports, ...options, ...more },
        { ...options, ...more, directory: join(directory, name) },
      ),
    )
  const [giver, other, taker] = [await start('giver'), await start('other'), await start('taker')]
  const write = (name: string, data: Uint8Array) => {
    const path = join(directory, name)
    writeFileSync(path, data)
    return path
  }
  return {
    directory,
    giver,
    other,
    taker,
    /** One more, in a folder of that name. */
    start,
    copy: join(directory, 'copy'),
    write,
    file(name: string, size: number) {
      const data = contents(size)
      return { path: write(name, data), data }
    },
    /** A server that answers as it likes. */
    async serve(answer: Answer): Promise<Source> {
      const { key, cert, fingerprint } = createCertificate()
      const server = createServer(
        { key, cert },
        (incoming, response) => void answer(incoming, response),
      )
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      stack.defer(() => {
        server.close()
        server.closeAllConnections()
      })
      const { port } = server.address() as AddressInfo
      return { url: `https://127.0.0.1:${port}`, certificate: fingerprint }
    },
    /** An honest server that says how the content is cut, and sends chunks of it, when it is told that it may. */
    async serveWhen(path: string, { list, chunks }: Gates): Promise<Source> {
      const { manifest } = await hashFile(path)
      const data = readFileSync(path)
      return await this.serve(async (request, response) => {
        const isList = request.url!.endsWith('/chunks')
        await (isList ? list : chunks)
        if (isList) return response.end(JSON.stringify(manifest))
        const [, start, end] = /bytes=(\d+)-(\d+)/.exec(request.headers.range!)!
        return response.writeHead(206).end(data.subarray(Number(start), Number(end) + 1))
      })
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

/** Bytes that differ from chunk to chunk. */
function contents(size: number): Uint8Array {
  const data = Buffer.alloc(size, seededRandom(size).bytes(65_537))
  for (let at = 0; at + 4 <= size; at += chunkBytes) data.writeUInt32BE(at, at)
  return new Uint8Array(data)
}
