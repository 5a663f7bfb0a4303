import { describe, expect, test } from 'vitest'
import { memoryNetwork } from '../../network/memory.ts'
import type { Network } from '../../network/Network.ts'
import * as Hex from '../../protocol/Hex.ts'
import { seededRandom } from '../../runtime/seededRandom.ts'
import { silentLogger } from '../../runtime/silentLogger.ts'
import { virtualClock } from '../../runtime/virtualClock.ts'
import { meetAny, peersTopic, startAcquaintance } from './startAcquaintance.ts'
import { protocol } from './batchProtocol.ts'

const run = Hex.sha256('run')

describe('startAcquaintance', () => {
  test('nodes of a run learn where each other are, and others do not matter', async () => {
    const { network, clock, end } = world()
    const learnt: string[] = []
    const a = await nodeOf(network.join('a'), clock, { onPeer: (peer) => learnt.push(peer) })
    const b = await nodeOf(network.join('b'), clock)
    const c = await nodeOf(network.join('c'), clock, { run: Hex.sha256('other') })
    await clock.run(clock.now() + 12_000)
    expect([...new Set(learnt)]).toEqual(['b'])
    await end(a, b, c)
  })

  test('garbage is no reason to call anybody', async () => {
    const { network, clock, end } = world()
    const learnt: string[] = []
    const a = await nodeOf(network.join('a'), clock, { onPeer: (peer) => learnt.push(peer) })
    const stranger = network.join('stranger')
    const many = JSON.stringify({ run, addresses: Array.from({ length: 100 }, () => 'x') })
    for (const text of ['{', '{"run":1}', many])
      await stranger.publish(peersTopic, new TextEncoder().encode(text))
    await clock.run(clock.now() + 1_000)
    expect(learnt).toEqual([])
    await end(a)
  })
})

describe('meetAny', () => {
  test('waits for the first who answers, and not for ever', async () => {
    const { network, clock } = world()
    const self = network.join('self')
    const other = network.join('other')
    other.handle(protocol, async function* () {
      yield new Uint8Array(1)
    })
    const addresses = ['/ip4/127.0.0.1/tcp/1/p2p/nobody', '/ip4/127.0.0.1/tcp/2/p2p/other']
    const met = meetAny({ network: self, clock }, { run, addresses })
    await clock.run(clock.now() + 1_000)
    expect(await met).toBe(true)
    const alone = meetAny({ network: self, clock }, { run, addresses: addresses.slice(0, 1) })
    await clock.run(clock.now() + 60_000)
    expect(await alone).toBe(false)
  })
})

function world() {
  const clock = virtualClock()
  const network = memoryNetwork({ clock, random: seededRandom(1) })
  return {
    clock,
    network,
    end: async (...nodes: readonly AsyncDisposable[]) => {
      const ended = nodes.map((node) => node[Symbol.asyncDispose]())
      await clock.run(clock.now() + 60_000)
      await Promise.all(ended)
    },
  }
}

async function nodeOf(
  network: Network,
  clock: ReturnType<typeof virtualClock>,
  options: Partial<startAcquaintance.Options> = {},
): Promise<AsyncDisposable> {
  network.handle(protocol, async function* () {
    yield new Uint8Array(1)
  })
  const ports = { network, clock, logger: silentLogger() }
  return startAcquaintance(ports, { run, ...options })
}
