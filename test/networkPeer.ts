/** One peer as a process, for tests that need network namespaces. Reads commands, a line each; writes JSON, a line each. */
import { createHash } from 'node:crypto'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { libp2pNetwork } from '../src/network/libp2p.ts'
import type { Network } from '../src/network/Network.ts'
import * as Identity from '../src/protocol/Identity.ts'
import { pinoLogger } from '../src/runtime/pinoLogger.ts'
import { systemClock } from '../src/runtime/systemClock.ts'

/** What a peer is told on its command line. */
export type Settings = {
  readonly role: 'relay' | 'provider' | 'buyer'
  readonly key: number
  readonly listen: string
  readonly bootstrap: readonly string[]
}

const protocol = '/weft/test/1'
const topic = 'weft/test-offers/1'
const clock = systemClock()

if (process.argv[2]) await main(JSON.parse(process.argv[2]) as Settings)

async function main({ role, key, listen, bootstrap }: Settings): Promise<void> {
  const network = await libp2pNetwork({
    identity: Identity.from(new Uint8Array(32).fill(key)),
    clock,
    logger: pinoLogger({ level: 'warn', name: role }),
    listen: [listen],
    bootstrap,
    relay: role === 'relay',
  })
  say({ started: network.self, addresses: network.addresses() })
  if (role === 'provider') await provide(network)
  if (role === 'buyer') await buy(network)
}

/** Answers with as many chunks of 64 KiB as asked for, and tells everyone twice a second where it is. */
async function provide(network: Network): Promise<void> {
  network.handle(protocol, async function* ([chunks]) {
    for (let i = 0; i < chunks!; i++) yield new Uint8Array(64 * 1024).fill(i)
  })
  let reachable = ''
  for (;;) {
    const addresses = network.addresses()
    if (addresses.join() !== reachable) say({ addresses })
    reachable = addresses.join()
    await network.publish(topic, new TextEncoder().encode(JSON.stringify(addresses)))
    await clock.sleep(500)
  }
}

/** Learns of providers from gossip alone; `ask N` asks one for N chunks, `direct HOST PORT` tries to connect to it. */
async function buy(network: Network): Promise<void> {
  let provider: string | undefined
  network.subscribe(topic, (body, { from }) => {
    if (!provider) say({ heard: from })
    provider = from
    network.learn(from, JSON.parse(new TextDecoder().decode(body)) as string[])
  })
  for await (const line of createInterface({ input: process.stdin })) {
    const [command, ...words] = line.split(' ')
    if (command === 'ask') say(await ask(network, provider, Number(words[0])))
    if (command === 'direct') say({ direct: await reaches(words[0]!, Number(words[1])) })
  }
}

async function ask(network: Network, provider: string | undefined, chunks: number) {
  if (!provider) return { error: 'no provider heard' }
  const sum = createHash('sha256')
  let bytes = 0
  const start = clock.now()
  try {
    const body = Uint8Array.of(chunks)
    for await (const reply of network.request(provider, protocol, body, { idleTimeoutMs: 8000 })) {
      sum.update(reply)
      bytes += reply.byteLength
    }
    return { bytes, sum: sum.digest('hex'), ms: clock.now() - start }
  } catch (error) {
    return { error: (error as { code?: string }).code ?? String(error), bytes }
  }
}

async function reaches(host: string, port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 1500 })
    const end = (reached: boolean) => {
      socket.destroy()
      resolve(reached)
    }
    socket.on('connect', () => end(true))
    socket.on('timeout', () => end(false))
    socket.on('error', () => end(false))
  })
}

function say(message: unknown): void {
  process.stdout.write(`${JSON.stringify(message)}\n`)
}
