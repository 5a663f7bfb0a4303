import { describe, expect, test, vi } from 'vitest'
import { BaseError } from '../runtime/Errors.ts'
import { ask, gossipLimitBytes, limitBytes, type Handler, type Network } from './Network.ts'

/** Peers of one adapter that know each other's addresses. */
export type World = AsyncDisposable & {
  /** Brings peer `n` to life; a number that lived before comes back with the same name and address. */
  join(n: number): Promise<Network>
}

/** What every network promises, checked on one adapter. */
export function networkCompliance(name: string, createWorld: () => Promise<World>): void {
  const pair = async (stack: AsyncDisposableStack) => {
    const world = stack.use(await createWorld())
    return { world, a: await world.join(1), b: await world.join(2) }
  }

  describe(`${name}: request`, () => {
    test('carries a message there and a reply back', async () => {
      await using stack = new AsyncDisposableStack()
      const { a, b } = await pair(stack)
      b.handle('/double', async function* (body) {
        yield bytes(...body, ...body)
      })

      expect(await ask(a, b.self, '/double', bytes(1, 2))).toEqual(bytes(1, 2, 1, 2))
      expect(await ask(a, b.self, '/double', bytes())).toEqual(bytes())
    })

    test('says who asks', async () => {
      await using stack = new AsyncDisposableStack()
      const { a, b } = await pair(stack)
      b.handle('/who', async function* (_, { from }) {
        yield new TextEncoder().encode(from)
      })

      expect(new TextDecoder().decode(await ask(a, b.self, '/who', bytes()))).toBe(a.self)
    })

    test('streams replies in order', async () => {
      await using stack = new AsyncDisposableStack()
      const { a, b } = await pair(stack)
      b.handle('/count', async function* () {
        for (let i = 0; i < 2000; i++) yield bytes(i >> 8, i & 255)
      })

      const replies = await collect(a.request(b.self, '/count', bytes()))

      expect(replies.map(([high, low]) => high! * 256 + low!)).toEqual(
        Array.from({ length: 2000 }, (_, i) => i),
      )
    })

    test('carries messages as large as the limit both ways, and refuses larger ones', async () => {
      await using stack = new AsyncDisposableStack()
      const { a, b } = await pair(stack)
      b.handle('/echo', async function* (body) {
        yield body
      })
      b.handle('/large', async function* () {
        yield new Uint8Array(limitBytes + 1)
      })
      const body = new Uint8Array(limitBytes).fill(7)

      const reply = await ask(a, b.self, '/echo', body)
      expect(Buffer.compare(reply, body)).toBe(0)
      await expect(ask(a, b.self, '/echo', new Uint8Array(limitBytes + 1))).rejects.toHaveProperty(
        'code',
        'Network.TooLargeError',
      )
      await expect(ask(a, b.self, '/large', bytes())).rejects.toHaveProperty(
        'code',
        'Network.TooLargeError',
      )
    })

    test('keeps 200 requests at once apart', async () => {
      await using stack = new AsyncDisposableStack()
      const { a, b } = await pair(stack)
      b.handle('/echo', async function* (body) {
        for (let i = 0; i < 3; i++) yield bytes(...body, i)
      })

      const answers = await Promise.all(
        Array.from({ length: 200 }, async (_, n) => collect(a.request(b.self, '/echo', bytes(n)))),
      )

      expect(answers).toEqual(
        Array.from({ length: 200 }, (_, n) => [bytes(n, 0), bytes(n, 1), bytes(n, 2)]),
      )
    })

    test('makes a handler wait for a slow reader', async () => {
      await using stack = new AsyncDisposableStack()
      const { a, b } = await pair(stack)
      let made = 0
      b.handle('/endless', async function* () {
        for (;;) {
          made++
          yield new Uint8Array(64 * 1024)
        }
      })

      let read = 0
      for await (const _ of a.request(b.self, '/endless', bytes())) {
        if (++read < 3) continue
        await pause(300)
        break
      }

      expect(made).toBeLessThan(500)
    })
  })

  describe(`${name}: cancellation`, () => {
    test('tells the handler when the caller ends early', async () => {
      await using stack = new AsyncDisposableStack()
      const { a, b } = await pair(stack)
      const stuck = stuckHandler()
      b.handle('/stuck', stuck.handler)

      for await (const _ of a.request(b.self, '/stuck', bytes())) break

      await eventually(() => expect(stuck.aborted).toBe(1))
      await eventually(() => expect(stuck.running).toBe(0))
    })

    test('aborts with the reason of the signal, at any point', async () => {
      await using stack = new AsyncDisposableStack()
      const { a, b } = await pair(stack)
      const stuck = stuckHandler()
      b.handle('/stuck', stuck.handler)
      const reason = new Error('enough')
      const abort = new AbortController()

      const early = ask(a, b.self, '/stuck', bytes(), { signal: AbortSignal.abort(reason) })
      await expect(early).rejects.toBe(reason)
      expect(stuck.started).toBe(0)

      const late = collect(a.request(b.self, '/stuck', bytes(), { signal: abort.signal }))
      await eventually(() => expect(stuck.started).toBe(1))
      abort.abort(reason)
      await expect(late).rejects.toBe(reason)
      await eventually(() => expect(stuck.aborted).toBe(1))
    })

    test('gives up on a silent peer, and tells it', async () => {
      await using stack = new AsyncDisposableStack()
      const { a, b } = await pair(stack)
      const stuck = stuckHandler()
      b.handle('/stuck', stuck.handler)
      b.handle('/mute', async function* (_, { signal }) {
        await aborted(signal)
        yield bytes()
      })

      await warmUp(a, b)
      const replies: Uint8Array[] = []
      const request = (to: string) => a.request(b.self, to, bytes(), { idleTimeoutMs })
      const ends = [collect(request('/stuck'), replies), collect(request('/mute'))]
      await Promise.all(
        ends.map((end) => expect(end).rejects.toHaveProperty('code', 'Network.TimeoutError')),
      )
      expect(replies).toHaveLength(1)
      await eventually(() => expect(stuck.aborted).toBe(1))
    })

    test('does not count the time that the reader takes as silence', async () => {
      await using stack = new AsyncDisposableStack()
      const { a, b } = await pair(stack)
      b.handle('/two', async function* () {
        yield bytes(1)
        yield bytes(2)
      })

      await warmUp(a, b)
      const replies: Uint8Array[] = []
      for await (const reply of a.request(b.self, '/two', bytes(), { idleTimeoutMs })) {
        replies.push(reply)
        await pause(idleTimeoutMs + 300)
      }

      expect(replies).toEqual([bytes(1), bytes(2)])
    })
  })

  describe(`${name}: errors`, () => {
    test('carries the code and the sentence of our errors, after the replies before it', async () => {
      await using stack = new AsyncDisposableStack()
      const { a, b } = await pair(stack)
      b.handle('/fail', async function* () {
        yield bytes(1)
        throw new TeapotError()
      })

      const replies: Uint8Array[] = []
      const answer = collect(a.request(b.self, '/fail', bytes()), replies)

      await expect(answer).rejects.toMatchObject({ code: 'Test.TeapotError', message: 'Teapot.' })
      expect(replies).toEqual([bytes(1)])
    })

    test('says nothing of other errors', async () => {
      await using stack = new AsyncDisposableStack()
      const { a, b } = await pair(stack)
      b.handle('/fail', async function* () {
        yield* []
        throw new Error('ENOENT /home/alice/key')
      })

      const error = await ask(a, b.self, '/fail', bytes()).catch((thrown: unknown) => thrown)

      expect(error).toMatchObject({ code: 'Internal.UnknownError' })
      expect(String(error)).not.toContain('alice')
    })

    test('reports a peer that ends without the reply it owes', async () => {
      await using stack = new AsyncDisposableStack()
      const { a, b } = await pair(stack)
      b.handle('/nothing', async function* () {})

      expect(await collect(a.request(b.self, '/nothing', bytes()))).toEqual([])
      await expect(ask(a, b.self, '/nothing', bytes())).rejects.toHaveProperty(
        'code',
        'Network.NoReplyError',
      )
    })

    test('reports a protocol that nobody answers, before and after somebody did', async () => {
      await using stack = new AsyncDisposableStack()
      const { a, b } = await pair(stack)
      const noHandler = { code: 'Network.NoHandlerError' }
      const echo = async function* (body: Uint8Array) {
        yield body
      }

      await expect(ask(a, b.self, '/echo', bytes())).rejects.toMatchObject(noHandler)
      const handle = b.handle('/echo', echo)
      expect(() => b.handle('/echo', echo)).toThrowError('answered already')
      expect(await ask(a, b.self, '/echo', bytes(5))).toEqual(bytes(5))
      await handle[Symbol.asyncDispose]()
      await expect(ask(a, b.self, '/echo', bytes())).rejects.toMatchObject(noHandler)
      b.handle('/echo', echo)
      expect(await ask(a, b.self, '/echo', bytes(6))).toEqual(bytes(6))
    })

    test('reports peers that cannot be reached', async () => {
      await using stack = new AsyncDisposableStack()
      const { world, a } = await pair(stack)
      const gone = await world.join(3)
      await gone[Symbol.asyncDispose]()

      for (const peer of [gone.self, a.self, 'nobody', ''])
        await expect(ask(a, peer, '/echo', bytes())).rejects.toHaveProperty(
          'code',
          'Network.UnreachableError',
        )
    })

    test('takes any nonsense as an address', async () => {
      await using stack = new AsyncDisposableStack()
      const { world, a } = await pair(stack)
      const gone = await world.join(3)
      await gone[Symbol.asyncDispose]()

      a.learn(gone.self, ['', 'http://x', '/ip4/999.0.0.1/tcp/1', '/ip4/127.0.0.1/tcp/1'])
      a.learn('nobody', ['/ip4/127.0.0.1/tcp/1'])
      a.learn(gone.self, Array<string>(1000).fill(`/dns4/${'x'.repeat(5000)}/tcp/1`))

      await expect(ask(a, gone.self, '/echo', bytes())).rejects.toHaveProperty(
        'code',
        'Network.UnreachableError',
      )
    })
  })

  describe(`${name}: life and death`, () => {
    test('notices that a peer dies while it answers', async () => {
      await using stack = new AsyncDisposableStack()
      const { a, b } = await pair(stack)
      const stuck = stuckHandler()
      b.handle('/stuck', stuck.handler)

      const replies: Uint8Array[] = []
      const answer = collect(a.request(b.self, '/stuck', bytes()), replies)
      answer.catch(() => {})
      await eventually(() => expect(replies).toHaveLength(1))
      await b[Symbol.asyncDispose]()

      await expect(answer).rejects.toHaveProperty('code', 'Network.UnreachableError')
      await eventually(() => expect(stuck.aborted).toBe(1))
    })

    test('ends what is under way when we leave', async () => {
      await using stack = new AsyncDisposableStack()
      const { a, b } = await pair(stack)
      const stuck = stuckHandler()
      b.handle('/stuck', stuck.handler)

      const answers = Array.from({ length: 5 }, async () =>
        collect(a.request(b.self, '/stuck', bytes())),
      )
      for (const answer of answers) answer.catch(() => {})
      await eventually(() => expect(stuck.started).toBe(5))
      await a[Symbol.asyncDispose]()

      for (const answer of answers)
        await expect(answer).rejects.toHaveProperty('code', 'Network.UnreachableError')
      await eventually(() => expect(stuck.aborted).toBe(5))
      await expect(ask(a, b.self, '/stuck', bytes())).rejects.toHaveProperty(
        'code',
        'Network.UnreachableError',
      )
    })

    test('reaches a peer again that has restarted', async () => {
      await using stack = new AsyncDisposableStack()
      const { world, a, b } = await pair(stack)
      b.handle('/life', async function* () {
        yield bytes(1)
      })
      expect(await ask(a, b.self, '/life', bytes())).toEqual(bytes(1))

      await b[Symbol.asyncDispose]()
      const again = await world.join(2)
      again.handle('/life', async function* () {
        yield bytes(2)
      })

      expect(again.self).toBe(b.self)
      expect(await ask(a, b.self, '/life', bytes())).toEqual(bytes(2))
    })
  })

  describe(`${name}: gossip`, () => {
    test('is heard by every subscriber but oneself, once, with its author', async () => {
      await using stack = new AsyncDisposableStack()
      const world = stack.use(await createWorld())
      const peers = await Promise.all([1, 2, 3].map(async (n) => world.join(n)))
      const heard = peers.map((peer) => listen(peer, 'news'))
      const [author] = peers

      await until(async () => {
        await author!.publish('news', bytes(0))
        return heard[1]!.some(isFirst) && heard[2]!.some(isFirst)
      })
      await author!.publish('news', bytes(1))
      await eventually(() => {
        for (const list of heard.slice(1)) expect(list.filter(isSecond)).toHaveLength(1)
      })
      await pause(200)

      expect(heard[0]).toEqual([])
      for (const list of heard.slice(1)) {
        expect(list.filter(isSecond)).toHaveLength(1)
        expect(list.every(({ from }) => from === author!.self)).toBe(true)
      }
    })

    test('survives listeners that throw, and ends with the subscription', async () => {
      await using stack = new AsyncDisposableStack()
      const { a, b } = await pair(stack)
      b.subscribe('news', () => {
        throw new Error('at once')
      })
      b.subscribe('news', async () => {
        throw new Error('later')
      })
      const heard: unknown[] = []
      const subscription = b.subscribe('news', (body) => void heard.push(body))

      await until(async () => {
        await a.publish('news', bytes(0))
        return heard.length >= 3
      })
      await subscription[Symbol.asyncDispose]()
      const before = heard.length
      await a.publish('news', bytes(0))
      await pause(200)

      expect(heard.length).toBe(before)
    })

    test('needs nobody to listen, and carries no more than everyone can', async () => {
      await using stack = new AsyncDisposableStack()
      const world = stack.use(await createWorld())
      const alone = await world.join(1)

      await alone.publish('silence', bytes(1))
      await expect(
        alone.publish('silence', new Uint8Array(gossipLimitBytes + 1)),
      ).rejects.toHaveProperty('code', 'Network.TooLargeError')
    })

    test('reaches 30 peers on one address', async () => {
      await using stack = new AsyncDisposableStack()
      const world = stack.use(await createWorld())
      const peers: Network[] = []
      for (let n = 1; n <= 30; n++) peers.push(await world.join(n))
      const heard = peers.map((peer) => listen(peer, 'news'))

      for (const [author, n] of [
        [peers[0]!, 1],
        [peers[29]!, 2],
      ] as const)
        await until(async () => {
          await author.publish('news', bytes(n))
          return peers.every(
            (peer, i) => peer === author || heard[i]!.some(({ body }) => body[0] === n),
          )
        })

      expect(
        heard.flat().every(({ from }) => [peers[0]!.self, peers[29]!.self].includes(from)),
      ).toBe(true)
    }, 180_000)
  })
}

class TeapotError extends BaseError {
  override readonly code = 'Test.TeapotError'

  constructor() {
    super('Teapot.', { metaMessages: ['Short and stout.'] })
  }
}

/** A handler that yields one reply and then waits to be aborted. */
function stuckHandler() {
  const counts = { started: 0, aborted: 0, running: 0 }
  const handler: Handler = async function* (_, { signal }) {
    counts.started++
    counts.running++
    try {
      yield bytes(counts.started)
      await aborted(signal)
    } finally {
      if (signal.aborted) counts.aborted++
      counts.running--
    }
  }
  return Object.assign(counts, { handler })
}

type Heard = { readonly body: Uint8Array; readonly from: string }

function listen(peer: Network, topic: string): readonly Heard[] {
  const heard: Heard[] = []
  peer.subscribe(topic, (body, { from }) => void heard.push({ body, from }))
  return heard
}

const isFirst = ({ body }: Heard) => body[0] === 0
const isSecond = ({ body }: Heard) => body[0] === 1

function bytes(...values: readonly number[]): Uint8Array {
  return Uint8Array.from(values)
}

async function collect(
  replies: AsyncIterable<Uint8Array>,
  into: Uint8Array[] = [],
): Promise<readonly Uint8Array[]> {
  for await (const reply of replies) into.push(reply)
  return into
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  await new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** Short enough to wait for, long enough for a machine that is busy with other things. */
const idleTimeoutMs = 4000

/** Connects, so that silence counts from the request and not from the dial. */
async function warmUp(a: Network, b: Network): Promise<void> {
  await collect(a.request(b.self, '/nobody-answers-this', bytes())).catch(() => {})
}

/** Waits for something that happens by itself. */
async function eventually(check: () => void): Promise<void> {
  await vi.waitFor(check, { timeout: 50_000, interval: 20 })
}

/** Tries again and again: what was published before a peer was known to listen is not heard. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  await vi.waitFor(async () => expect(await condition()).toBe(true), {
    timeout: 60_000,
    interval: 250,
  })
}
