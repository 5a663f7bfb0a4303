/** The other side of `transfer.ts`, in a process of its own: a file over the bulk port, and zeros over bare TCP. */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import type { Source } from '../../src/network/Bulk.ts'
import { httpsBulk } from '../../src/network/https.ts'
import type * as Hex from '../../src/protocol/Hex.ts'
import { silentLogger } from '../../src/runtime/silentLogger.ts'
import { systemClock } from '../../src/runtime/systemClock.ts'

/** Where both are. */
export type Served = {
  readonly source: Source
  readonly hash: Hex.Hex
  readonly rawPort: number
}

const [directory, host, bytes] = process.argv.slice(2)
if (directory !== undefined && host !== undefined) await serve(directory, host, Number(bytes))

async function serve(folder: string, address: string, length: number): Promise<void> {
  const ports = { clock: systemClock(), logger: silentLogger() }
  const bulk = await httpsBulk(ports, { directory: join(folder, 'server'), host: address })
  const hash = await bulk.share(join(folder, 'file'))
  const raw = createServer((socket) => void send(socket, length).catch(() => socket.destroy()))
  raw.listen(0, address)
  await once(raw, 'listening')
  const { port: rawPort } = raw.address() as AddressInfo
  console.log(JSON.stringify({ source: bulk.source, hash, rawPort } satisfies Served))
  await once(process.stdin.resume(), 'end')
  process.exit()
}

/** As fast as one stream goes: from memory, with nothing in its way. */
async function send(socket: Socket, length: number): Promise<void> {
  const piece = new Uint8Array(1024 * 1024)
  for (let left = length; left > 0; left -= piece.byteLength) {
    const isReady = socket.write(piece.subarray(0, Math.min(left, piece.byteLength)))
    if (!isReady) await once(socket, 'drain')
  }
  socket.end()
}
