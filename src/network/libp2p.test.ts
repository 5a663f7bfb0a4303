import * as Identity from '../protocol/Identity.ts'
import { silentLogger } from '../runtime/silentLogger.ts'
import { systemClock } from '../runtime/systemClock.ts'
import { networkCompliance, type World } from './compliance.ts'
import { libp2pNetwork } from './libp2p.ts'
import type { Network } from './Network.ts'

const ports = { clock: systemClock(), logger: silentLogger() }
const loopback = ['/ip4/127.0.0.1/tcp/0']

networkCompliance('libp2pNetwork', createWorld)

async function createWorld(): Promise<World> {
  const stack = new AsyncDisposableStack()
  const relay = stack.use(await start(100, { relay: true }))
  const peers = new Map<number, Network>()
  const ports = new Map<number, string>()

  return {
    async join(n) {
      const listen = ports.has(n) ? [ports.get(n)!] : loopback
      const peer = await start(n, { listen, bootstrap: relay.addresses() })
      stack.defer(() => peer[Symbol.asyncDispose]())
      ports.set(n, peer.addresses()[0]!.replace(/\/p2p\/.*/, ''))
      for (const other of peers.values()) {
        other.learn(peer.self, peer.addresses())
        peer.learn(other.self, other.addresses())
      }
      peers.set(n, peer)
      return peer
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

async function start(n: number, options: Partial<libp2pNetwork.Options>): Promise<Network> {
  const identity = Identity.from(new Uint8Array(32).fill(n))
  return await libp2pNetwork({ ...ports, identity, bootstrap: [], listen: loopback, ...options })
}
