/**
 * Two namespaces that cannot reach each other; only the relay's reaches both:
 *
 *     provider 10.77.1.2 ---- 10.77.1.1 relay 10.77.2.1 ---- 10.77.2.2 buyer
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createInterface } from 'node:readline'
import { describe, expect, test } from 'vitest'
import * as Identity from '../src/protocol/Identity.ts'
import { createNamespaces, inside, type Spaces, whyNoNamespaces } from './namespaces.ts'
import type { Settings } from './networkPeer.ts'

const relayId = Identity.from(new Uint8Array(32).fill(1)).peerId

const obstacle = whyNoNamespaces()
if (obstacle) console.warn(`SKIPPED: the NAT test needs root and iproute2. ${obstacle}`)

describe.skipIf(obstacle)('a provider behind NAT', () => {
  test('is served through the relay, and again after kill -9 of the relay', async () => {
    await using stack = new AsyncDisposableStack()
    const spaces = createNamespaces(stack, { net: '10.77' })
    let relay = await startPeer(stack, spaces, relaySettings)
    const provider = await startPeer(stack, spaces, behind('provider', 2, 1))
    const buyer = await startPeer(stack, spaces, behind('buyer', 3, 2))

    await provider.until(({ addresses }) => isRelayed(addresses))
    await buyer.until(({ heard }) => heard === provider.self)
    const port = portOf(provider.addresses)
    expect((await buyer.ask(`direct 10.77.1.2 ${port}`))['direct']).toBe(false)
    expect(await buyer.ask('ask 160')).toMatchObject({ bytes: 160 * 65_536, sum: sumOf(160) })

    relay.kill()
    expect(await buyer.ask('ask 160')).toMatchObject({ error: 'Network.UnreachableError' })
    relay = await startPeer(stack, spaces, relaySettings)
    const answer = await askUntilServed(buyer)

    expect(answer).toMatchObject({ bytes: 32 * 65_536, sum: sumOf(32) })
  }, 600_000)
})

const relaySettings: Settings = {
  role: 'relay',
  key: 1,
  listen: '/ip4/0.0.0.0/tcp/4001',
  bootstrap: [],
}

function behind(role: 'provider' | 'buyer', key: number, net: number): Settings {
  const bootstrap = [`/ip4/10.77.${net}.1/tcp/4001/p2p/${relayId}`]
  return { role, key, listen: '/ip4/0.0.0.0/tcp/0', bootstrap }
}

type Line = Readonly<Record<string, unknown>>

/** The relay's clients come back within their longest pause between dials, a few seconds. */
async function askUntilServed(buyer: Peer): Promise<Line> {
  for (let attempt = 0; ; attempt++) {
    const answer = await buyer.ask('ask 32')
    if (!('error' in answer) || attempt === 300) return answer
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
}

type Peer = Awaited<ReturnType<typeof startPeer>>

async function startPeer(stack: AsyncDisposableStack, spaces: Spaces, settings: Settings) {
  const space = { provider: spaces.one, relay: spaces.middle, buyer: spaces.two }[settings.role]
  const program = [process.execPath, 'test/networkPeer.ts', JSON.stringify(settings)]
  const [command, ...words] = [...inside(space), ...program]
  const child = spawn(command!, words, { stdio: ['pipe', 'pipe', 'inherit'] })
  stack.defer(() => void child.kill('SIGKILL'))
  const next = lines(child)
  const { started, addresses } = await next(({ started }) => started !== undefined)
  return {
    self: started as string,
    addresses: addresses as readonly string[],
    until: next,
    async ask(command: string): Promise<Line> {
      child.stdin.write(`${command}\n`)
      return await next((line) => !('heard' in line) && !('addresses' in line))
    },
    kill: () => void child.kill('SIGKILL'),
  }
}

/** Reads JSON lines; each call waits for the next one that fits. */
function lines(child: ChildProcess): (fits: (line: Line) => boolean) => Promise<Line> {
  const reader = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
  return async (fits) => {
    for (;;) {
      const { value, done } = await reader.next()
      if (done) throw new Error('The peer has ended.')
      const line = JSON.parse(value as string) as Line
      if (fits(line)) return line
    }
  }
}

function isRelayed(addresses: unknown): boolean {
  return Array.isArray(addresses) && addresses.some((address) => `${address}`.includes('circuit'))
}

function portOf(addresses: readonly string[]): number {
  return Number(/\/tcp\/(\d+)/.exec(addresses[0]!)![1])
}

function sumOf(chunks: number): string {
  const sum = createHash('sha256')
  for (let i = 0; i < chunks; i++) sum.update(new Uint8Array(64 * 1024).fill(i))
  return sum.digest('hex')
}
