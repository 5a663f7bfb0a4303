import { describe, expect, test } from 'vitest'
import { seededRandom } from '../runtime/seededRandom.ts'
import { systemClock } from '../runtime/systemClock.ts'
import { virtualClock } from '../runtime/virtualClock.ts'
import { networkCompliance } from './compliance.ts'
import { memoryNetwork, type Faults } from './memory.ts'
import { ask } from './Network.ts'

networkCompliance('memoryNetwork', async () => {
  const net = memoryNetwork({ clock: systemClock(), random: seededRandom(1) })
  return { join: async (n) => net.join(`peer-${n}`), async [Symbol.asyncDispose]() {} }
})

networkCompliance('memoryNetwork with delays', async () => {
  const faults = { delayMs: [1, 5] } as const
  const net = memoryNetwork({ clock: systemClock(), random: seededRandom(1), faults })
  return { join: async (n) => net.join(`peer-${n}`), async [Symbol.asyncDispose]() {} }
})

describe('memoryNetwork', () => {
  test('takes the time that the range of delays says', async () => {
    const { clock, a, peers } = world({ delayMs: [100, 100] })
    serveCount(peers.b)
    const start = clock.now()

    const answer = times(clock, a.request('b', '/count', Uint8Array.of(3)))
    await clock.run(start + 10_000)

    expect((await answer).map((at) => at - start)).toEqual([200, 200, 200])
  })

  test('keeps a stream in order under random delays', async () => {
    const { clock, a, peers } = world({ delayMs: [1, 500] })
    serveCount(peers.b)

    const answer = collect(a.request('b', '/count', Uint8Array.of(50)))
    await clock.run(clock.now() + 60_000)

    expect((await answer).map(([i]) => i)).toEqual(Array.from({ length: 50 }, (_, i) => i))
  })

  test('loses and duplicates gossip at the given rates', async () => {
    const { clock, a, peers } = world({ delayMs: [1, 9], lossRate: 0.3, duplicationRate: 0.2 })
    const heard = new Map<number, number>()
    peers.b.subscribe('t', ([n]) => void heard.set(n!, (heard.get(n!) ?? 0) + 1))

    for (let i = 0; i < 200; i++) await a.publish('t', Uint8Array.of(i))
    await clock.run(clock.now() + 100)

    const missed = 200 - heard.size
    const doubled = [...heard.values()].filter((count) => count === 2).length
    expect(missed).toBeGreaterThan(20)
    expect(missed).toBeLessThan(90)
    expect(doubled).toBeGreaterThan(5)
    expect(Math.max(...heard.values())).toBe(2)
  })

  test('breaks streams: both sides notice', async () => {
    const { net, clock, a, peers } = world({})
    const aborts: string[] = []
    peers.b.handle('/endless', async function* (_, { signal }) {
      signal.addEventListener('abort', () => aborts.push('b'))
      for (;;) yield Uint8Array.of(1)
    })
    const replies = a.request('b', '/endless', new Uint8Array())[Symbol.asyncIterator]()
    expect(await replies.next()).toMatchObject({ done: false })

    net.setFaults({ breakRate: 1 })
    const broken = drain(replies)
    await clock.run(clock.now() + 1000)

    expect(await broken).toMatchObject({ code: 'Network.UnreachableError' })
    expect(aborts).toEqual(['b'])
  })

  test('lets a peer hear a request twice', async () => {
    const { clock, a, peers } = world({ delayMs: [10, 10], repeatRate: 1 })
    const signals: AbortSignal[] = []
    peers.b.handle('/once', async function* (body, { signal }) {
      signals.push(signal)
      await clock.sleep(100)
      yield body
    })

    const answer = ask(a, 'b', '/once', Uint8Array.of(7))
    await clock.run(clock.now() + 1000)

    expect(await answer).toEqual(Uint8Array.of(7))
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false])
  })

  test('lets a stream fall silent when it loses a message', async () => {
    const { clock, a, peers } = world({ lossRate: 1 })
    serveCount(peers.b)

    const answer = caught(ask(a, 'b', '/count', Uint8Array.of(1), { idleTimeoutMs: 1000 }))
    const patient = caught(ask(a, 'b', '/count', Uint8Array.of(1), { idleTimeoutMs: 60_000 }))
    await clock.run(clock.now() + 30_000)

    expect(await answer).toMatchObject({ code: 'Network.TimeoutError' })
    expect(await patient).toMatchObject({ code: 'Network.UnreachableError' })
  })

  test('separates groups until it is healed', async () => {
    const { net, clock, a, peers } = world({})
    serveCount(peers.b)
    serveCount(peers.c)
    const heard: string[] = []
    peers.b.subscribe('t', (_, { from }) => void heard.push(from))

    net.partition([['a', 'c'], ['b']])
    const across = caught(ask(a, 'b', '/count', Uint8Array.of(1)))
    const within = ask(a, 'c', '/count', Uint8Array.of(1))
    await a.publish('t', Uint8Array.of(1))
    await clock.run(clock.now() + 10_000)
    expect(await across).toMatchObject({ code: 'Network.UnreachableError' })
    expect(await within).toEqual(Uint8Array.of(0))
    expect(heard).toEqual([])

    net.heal()
    expect(await ask(a, 'b', '/count', Uint8Array.of(1))).toEqual(Uint8Array.of(0))
    await a.publish('t', Uint8Array.of(1))
    await clock.run(clock.now() + 10)
    expect(heard).toEqual(['a'])
  })

  test('cuts streams that are under way when it is partitioned', async () => {
    const { net, clock, a, peers } = world({})
    let aborted = false
    peers.b.handle('/slow', async function* (_, { signal }) {
      signal.addEventListener('abort', () => void (aborted = true))
      for (;;) {
        yield Uint8Array.of(1)
        await clock.sleep(1000, { signal })
      }
    })
    const replies = a.request('b', '/slow', new Uint8Array())[Symbol.asyncIterator]()
    await replies.next()

    net.partition([['a'], ['b']])
    const cut = drain(replies)
    await clock.run(clock.now() + 60_000)

    expect(await cut).toMatchObject({ code: 'Network.UnreachableError' })
    expect(aborted).toBe(true)
  })

  test('crashes a peer: what it held is useless until it joins again', async () => {
    const { net, clock, a, peers } = world({ delayMs: [10, 10] })
    serveCount(peers.b)
    serveCount(a)
    net.crash('b')

    const dead = caught(ask(a, 'b', '/count', Uint8Array.of(1)))
    const ghost = caught(ask(peers.b, 'a', '/count', Uint8Array.of(1)))
    await clock.run(clock.now() + 10_000)
    expect(await dead).toMatchObject({ code: 'Network.UnreachableError' })
    expect(await ghost).toMatchObject({ code: 'Network.UnreachableError' })

    serveCount(net.join('b'))
    const alive = ask(a, 'b', '/count', Uint8Array.of(1))
    await clock.run(clock.now() + 10_000)
    expect(await alive).toEqual(Uint8Array.of(0))
  })

  test('replays one seed as one history', async () => {
    expect(await history(7)).toEqual(await history(7))
    expect(await history(7)).not.toEqual(await history(8))
  })
})

/** Everything that two peers hear of each other in a minute of faults. */
async function history(seed: number): Promise<readonly string[]> {
  const faults = {
    delayMs: [1, 300],
    lossRate: 0.1,
    duplicationRate: 0.1,
    breakRate: 0.02,
  } as const
  const { clock, a, peers } = world(faults, seed)
  const start = clock.now()
  const lines: string[] = []
  const log = (line: string) => void lines.push(`${clock.now() - start} ${line}`)
  serveCount(peers.b)
  peers.b.subscribe('t', ([n]) => log(`gossip ${n}`))
  const asking = (async () => {
    for (let i = 0; i < 20; i++) {
      await a.publish('t', Uint8Array.of(i))
      const options = { idleTimeoutMs: 2000 }
      for await (const [n] of a.request('b', '/count', Uint8Array.of(5), options)) log(`reply ${n}`)
    }
  })()
  const ended = caught(asking)
  await clock.run(start + 60_000)
  log(String(await ended))
  return lines
}

function world(faults: Faults, seed = 1) {
  const clock = virtualClock()
  const net = memoryNetwork({ clock, random: seededRandom(seed), faults })
  const a = net.join('a')
  return { net, clock, a, peers: { b: net.join('b'), c: net.join('c') } }
}

type Peer = ReturnType<typeof world>['a']

function serveCount(peer: Peer): void {
  peer.handle('/count', async function* ([n]) {
    for (let i = 0; i < n!; i++) yield Uint8Array.of(i)
  })
}

async function collect(replies: AsyncIterable<Uint8Array>): Promise<readonly Uint8Array[]> {
  const all: Uint8Array[] = []
  for await (const reply of replies) all.push(reply)
  return all
}

async function times(clock: { now(): number }, replies: AsyncIterable<Uint8Array>) {
  const all: number[] = []
  for await (const _ of replies) all.push(clock.now())
  return all
}

/** Reads to the end and returns the error there. */
async function drain(replies: AsyncIterator<Uint8Array>): Promise<unknown> {
  return await caught(
    (async () => {
      while (!(await replies.next()).done);
    })(),
  )
}

async function caught(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise
    return undefined
  } catch (error) {
    return error
  }
}
