import { describe, expect, test } from 'vitest'
import { trainingOrder } from '../../../test/trainingOrder.ts'
import { memoryNetwork } from '../../network/memory.ts'
import * as Hex from '../../protocol/Hex.ts'
import * as Identity from '../../protocol/Identity.ts'
import type * as Entry from '../../protocol/training/Entry.ts'
import * as Join from '../../protocol/training/Join.ts'
import * as TrainingOrder from '../../protocol/training/TrainingOrder.ts'
import { memoryStore } from '../../runtime/memoryStore.ts'
import { seededRandom } from '../../runtime/seededRandom.ts'
import { silentLogger } from '../../runtime/silentLogger.ts'
import { virtualClock } from '../../runtime/virtualClock.ts'
import { type Log, openLog } from '../log/openLog.ts'
import { type LogSync, startLogSync } from './startLogSync.ts'

describe('startLogSync', () => {
  test('carries entries from whoever has them to everybody’s log', async () => {
    await using world = await start(4)
    for (const node of world.nodes.slice(1)) await node.sync.submit(node.join())
    await world.advance(6_000)
    const [first, ...others] = world.nodes.map(({ log }) => log.head())
    expect(first!.sequence).toBeGreaterThan(0)
    for (const head of others) expect(head).toEqual(first)
    expect(world.nodes[3]!.log.state().workers.length).toBe(3)
  })

  test('goes on when the coordinator dies, with every entry, and takes it back when it returns', async () => {
    await using world = await start(4)
    const [buyer, ...workers] = world.nodes
    for (const node of workers.slice(0, 2)) await node.sync.submit(node.join())
    await world.advance(6_000)
    await world.stop(0)
    await workers[2]!.sync.submit(workers[2]!.join())
    await world.advance(30_000)
    const heads = workers.map(({ log }) => log.head())
    expect(heads[0]!.term).toBeGreaterThan(0)
    expect(new Set(heads.map(({ hash }) => hash)).size).toBe(1)
    expect(workers[0]!.log.state().workers.length).toBe(3)
    await world.restart(0)
    await world.advance(20_000)
    expect(world.nodes[0]!.log.head()).toEqual(workers[0]!.log.head())
    expect(buyer!.log.run).toBe(world.nodes[0]!.log.run)
  })

  test('a coordinator that comes back asks for the log before it writes in its own', async () => {
    await using world = await start(4)
    for (const node of world.nodes.slice(1)) await node.sync.submit(node.join())
    await world.advance(6_000)
    await world.stop(0)
    await world.advance(30_000)
    const { sequence } = world.nodes[1]!.log.head()
    const peers = world.nodes.slice(1).map(({ identity }) => identity.peerId)
    await world.restart(0, peers)
    await world.nodes[0]!.sync.submit(world.nodes[0]!.join())
    await world.advance(1_500)
    expect(world.nodes[0]!.log.head().term).toBeGreaterThan(0)
    expect(world.nodes[0]!.log.head().sequence).toBeGreaterThanOrEqual(sequence)
  })

  test('a node whose peers are all gone goes on alone in the end', async () => {
    await using world = await start(2)
    await world.nodes[0]!.sync.submit(world.nodes[0]!.join())
    await world.advance(6_000)
    await world.stop(0)
    await world.stop(1)
    await world.restart(0, [world.nodes[1]!.identity.peerId])
    const { sequence } = world.nodes[0]!.log.head()
    await world.advance(60_000)
    expect(world.nodes[0]!.log.head().sequence).toBeGreaterThan(sequence)
  })

  test('comes to one log after the network was in two', async () => {
    await using world = await start(5)
    for (const node of world.nodes.slice(1)) await node.sync.submit(node.join())
    await world.advance(6_000)
    const peers = world.nodes.map(({ identity }) => identity.peerId)
    world.network.partition([peers.slice(0, 2), peers.slice(2)])
    await world.advance(30_000)
    const terms = world.nodes.map(({ log }) => log.head().term)
    expect(terms[0]).toBe(0)
    expect(terms[4]).toBeGreaterThan(0)
    world.network.heal()
    await world.advance(30_000)
    expect(new Set(world.nodes.map(({ log }) => log.head().hash)).size).toBe(1)
  })

  test('hears gossip that loses a third and doubles some, and has the same log in the end', async () => {
    await using world = await start(4, { lossRate: 0.3, duplicationRate: 0.2, delayMs: [5, 200] })
    for (let repeat = 0; repeat < 6; repeat++) {
      for (const node of world.nodes.slice(1)) await node.sync.submit(node.join())
      await world.advance(3_000)
    }
    world.network.setFaults({})
    await world.advance(30_000)
    expect(world.nodes.map(({ log }) => log.state().workers.length)).toEqual([3, 3, 3, 3])
    const least = Math.min(...world.nodes.map(({ log }) => log.head().sequence))
    const batches = world.nodes.map(({ log }) => log.from(least, 1)[0])
    expect(new Set(batches.map((batch) => batch?.head.signature)).size).toBe(1)
  })

  test('keeps garbage and strangers out of the log', async () => {
    await using world = await start(2)
    const stranger = world.network.join('stranger')
    await stranger.publish('weft/training/1', new TextEncoder().encode('{"type":"batch"}'))
    const forged = world.nodes[1]!.join()
    const signature = `0x${'11'.repeat(65)}`
    const entry = { ...forged, signed: { ...forged.signed, signature } }
    const body = JSON.stringify({ type: 'entry', entry })
    await stranger.publish('weft/training/1', new TextEncoder().encode(body))
    await world.advance(6_000)
    expect(world.nodes[0]!.log.from(0, 100).flatMap(({ entries }) => entries)).toEqual([])
  })
})

const domain = { chainId: 1, vault: `0x${'11'.repeat(20)}` } as const
const identityOf = (number: number) => Identity.from(new Uint8Array(32).fill(number + 1))

type Node = {
  readonly identity: Identity.Identity
  log: Log
  sync: LogSync
  join(): Entry.Entry
}

async function start(count: number, faults = {}) {
  const clock = virtualClock()
  const random = seededRandom(1)
  const network = memoryNetwork({ clock, random, faults })
  const stores = Array.from({ length: count }, () => memoryStore())
  const order = orderOf(identityOf(0))
  const open = async (number: number, peers: readonly string[] = []): Promise<Node> => {
    const identity = identityOf(number)
    const log = await openLog({ domain, store: stores[number]! }, { order })
    const endpoint = network.join(identity.peerId)
    const ports = { log, identity, clock, domain, logger: silentLogger(), network: endpoint }
    const sync = await startLogSync(ports, { peers })
    return { identity, log, sync, join: () => joinOf(identity, log) }
  }
  const nodes: Node[] = []
  for (let number = 0; number < count; number++) nodes.push(await open(number))
  return {
    network,
    nodes,
    advance: (ms: number) => clock.run(clock.now() + ms),
    async stop(number: number) {
      network.crash(nodes[number]!.identity.peerId)
      const ended = nodes[number]!.sync[Symbol.asyncDispose]()
      await clock.run(clock.now() + 1)
      await ended
    },
    async restart(number: number, peers: readonly string[] = []) {
      nodes[number] = await open(number, peers)
    },
    async [Symbol.asyncDispose]() {
      const ended = nodes.map(({ sync }) => sync[Symbol.asyncDispose]())
      await clock.run(clock.now() + 60_000)
      await Promise.all(ended)
    },
  }
}

function joinOf(worker: Identity.Identity, log: Log): Entry.Entry {
  const message = {
    run: log.run,
    worker: worker.address,
    peer: worker.peerId,
    url: 'https://127.0.0.1:1',
    certificate: Hex.zero,
    graph: log.order.graph,
    data: log.order.data,
    compliance: Hex.sha256('suite'),
    attempt: 0,
  }
  return { kind: 'join', signed: Join.sign(domain, message, worker) }
}

function orderOf(buyer: Identity.Identity) {
  const message = trainingOrder({ buyer: buyer.address, minWorkers: 10 })
  return TrainingOrder.sign(domain, message, buyer)
}
