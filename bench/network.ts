import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { get } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { createInterface } from 'node:readline'
import { httpsBulk } from '../src/network/https.ts'
import { libp2pNetwork } from '../src/network/libp2p.ts'
import { ask, type Network } from '../src/network/Network.ts'
import * as Identity from '../src/protocol/Identity.ts'
import { silentLogger } from '../src/runtime/silentLogger.ts'
import { systemClock } from '../src/runtime/systemClock.ts'
import type { Bench } from './Bench.ts'
import { interleave, median } from './interleave.ts'
import { rawNode, readRaw, roundTripNewStream } from './network/rawNode.ts'
import type { Addresses } from './network/server.ts'
import { table } from './table.ts'

const ports = { clock: systemClock(), logger: silentLogger() }
const bulkBytes = 64 * 1024 * 1024

/** Requests, gossip and bulk between two processes of one machine, over loopback. */
export const bench: Bench = {
  description: 'round trip, gossip and bulk speed of the network, against bare libp2p',
  async run({ say }) {
    await using stack = new AsyncDisposableStack()
    const directory = mkdtempSync(join(tmpdir(), 'weft-bench-'))
    stack.defer(() => rmSync(directory, { recursive: true, force: true }))
    writeFileSync(join(directory, 'file'), Buffer.alloc(bulkBytes, 'weft'))
    const server = await startServer(stack, directory)
    const relay = stack.use(await start(1, [], true))
    const network = stack.use(await start(2, relay.addresses(), false))
    server.tell({ bootstrap: relay.addresses() })
    const addresses = await server.addresses
    network.learn(addresses.peer, addresses.network)

    const raw = await rawNode()
    stack.defer(async () => await raw.stop())
    const requests = await interleave(
      { rounds: 10, warmup: 3 },
      async () =>
        medianOf(200, async () => void (await ask(network, addresses.peer, '/echo', body))),
      async () => medianOf(50, async () => roundTripNewStream(raw, addresses.raw)),
    )
    const gossipMs = await gossip(network)
    const bulk = stack.use(await httpsBulk(ports, { directory: join(directory, 'client') }))
    const fetched = async () => {
      const copy = join(directory, 'copy')
      await bulk.fetch(addresses.hash, copy, [addresses.bulk])
      rmSync(copy)
      return bulkBytes
    }
    const noise = async () => readRaw(raw, addresses.raw, bulkBytes)
    const bare = async () => readHttps(addresses.bulk.url, addresses.hash)
    const rounds = { rounds: 5, warmup: 1 }
    const streams = await interleave(
      rounds,
      async () => speed(bare),
      async () => speed(noise),
    )
    const fetches = await interleave(
      rounds,
      async () => speed(fetched),
      async () => speed(noise),
    )
    const work = await interleave(
      rounds,
      async () => processorMs(bare),
      async () => processorMs(noise),
    )
    const figures = {
      roundTripMs: requests.a.median,
      newStreamRoundTripMs: requests.b.median,
      gossipMs,
      httpsMBps: streams.a.median,
      fetchMBps: fetches.a.median,
      noiseMBps: streams.b.median,
      httpsCpuMsPerMB: work.a.median,
      noiseCpuMsPerMB: work.b.median,
    }
    const rows = Object.entries(figures).map(([name, value]) => [name, value.toFixed(2)])
    say(table(['figure', 'median'], rows))
    return figures
  },
}

const body = new Uint8Array(200)

async function start(key: number, bootstrap: readonly string[], relay: boolean): Promise<Network> {
  const identity = Identity.from(new Uint8Array(32).fill(key))
  const listen = ['/ip4/127.0.0.1/tcp/0']
  return await libp2pNetwork({ ...ports, identity, listen, bootstrap, relay })
}

async function startServer(stack: AsyncDisposableStack, directory: string) {
  const path = join(import.meta.dirname, 'network/server.ts')
  const child = spawn(process.execPath, [path, directory], { stdio: ['pipe', 'pipe', 'inherit'] })
  stack.defer(() => void child.kill('SIGKILL'))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    tell: (message: unknown) => void child.stdin.write(`${JSON.stringify(message)}\n`),
    addresses: lines.next().then(({ value }) => JSON.parse(value as string) as Addresses),
  }
}

async function medianOf(count: number, once: () => Promise<void>): Promise<number> {
  const times: number[] = []
  for (let i = 0; i < count; i++) {
    const start = performance.now()
    await once()
    times.push(performance.now() - start)
  }
  return median(times)
}

/** Half the time of a ping and the pong to it, each over the relay; far enough apart not to be gathered. */
async function gossip(network: Network): Promise<number> {
  const heard: (() => void)[] = []
  network.subscribe('pong', () => heard.shift()?.())
  const times: number[] = []
  for (let i = -5; i < 40; i++) {
    const { promise, resolve } = Promise.withResolvers<void>()
    heard.push(resolve)
    const start = performance.now()
    await network.publish('ping', body)
    await Promise.race([promise, ports.clock.sleep(1000)])
    if (i >= 0) times.push((performance.now() - start) / 2)
    await ports.clock.sleep(150)
  }
  return median(times)
}

/** Reads a file from the bulk server without checking or keeping it. */
async function readHttps(url: string, hash: string): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const target = `${url}/${hash.slice(2)}`
  const outgoing = get(target, { rejectUnauthorized: false }, (response) => {
    let bytes = 0
    response.on('data', (part: Uint8Array) => (bytes += part.byteLength))
    response.on('end', () => resolve(bytes))
  })
  outgoing.on('error', reject)
  return await promise
}

/** What receiving a megabyte costs this process; a busy machine changes that less than the time it takes. */
async function processorMs(move: () => Promise<number>): Promise<number> {
  const before = process.cpuUsage()
  const bytes = await move()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000 / (bytes / 1e6)
}

async function speed(move: () => Promise<number>): Promise<number> {
  const start = performance.now()
  const bytes = await move()
  return bytes / 1000 / (performance.now() - start)
}
