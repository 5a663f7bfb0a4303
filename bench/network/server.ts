/** The other side of `bench/network.ts`, in a process of its own. */
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Source } from '../../src/network/Bulk.ts'
import { httpsBulk } from '../../src/network/https.ts'
import { libp2pNetwork } from '../../src/network/libp2p.ts'
import type * as Hex from '../../src/protocol/Hex.ts'
import * as Identity from '../../src/protocol/Identity.ts'
import { silentLogger } from '../../src/runtime/silentLogger.ts'
import { systemClock } from '../../src/runtime/systemClock.ts'
import { rawNode, serveRaw } from './rawNode.ts'

/** Where everything of the server is. */
export type Addresses = {
  readonly peer: string
  readonly network: readonly string[]
  readonly raw: string
  readonly bulk: Source
  readonly hash: Hex.Hex
}

const directory = process.argv[2]
if (directory !== undefined)
  for await (const line of createInterface({ input: process.stdin })) {
    const { bootstrap } = JSON.parse(line) as { bootstrap: readonly string[] }
    await serve(directory, bootstrap)
  }

async function serve(files: string, bootstrap: readonly string[]): Promise<void> {
  const ports = { clock: systemClock(), logger: silentLogger() }
  const identity = Identity.from(new Uint8Array(32).fill(3))
  const listen = ['/ip4/127.0.0.1/tcp/0']
  const network = await libp2pNetwork({ ...ports, identity, listen, bootstrap })
  network.handle('/echo', async function* (body) {
    yield body
  })
  network.subscribe('ping', async (body) => network.publish('pong', body))
  const raw = await rawNode()
  await serveRaw(raw)
  const bulk = await httpsBulk(ports, { directory: join(files, 'server') })
  const hash = await bulk.share(join(files, 'file'))
  const addresses: Addresses = {
    peer: network.self,
    network: network.addresses(),
    raw: raw.getMultiaddrs()[0]!.toString(),
    bulk: bulk.source,
    hash,
  }
  console.log(JSON.stringify(addresses))
}
