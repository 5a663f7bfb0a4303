import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { YamuxStream } from '@libp2p/yamux/stream'
import { createLibp2p } from 'libp2p'
import { describe, expect, onTestFinished, test } from 'vitest'
import { encode } from './frames.ts'
import { line } from './line.ts'

describe('line', () => {
  test('sends what is added in one turn together, in order', async () => {
    const { near, far, messages } = await pair()
    await near.add(encode('message', Uint8Array.of(1)))
    await near.add(encode('message', Uint8Array.of(2)))
    await near.add(encode('end'))
    const frames = [await far.next(), await far.next(), await far.next()]
    expect(frames.map(({ type, payload }) => [type, ...payload])).toEqual([
      ['message', 1],
      ['message', 2],
      ['end'],
    ])
    expect(messages()).toBe(1)
  })

  test('sends at once, after what was added', async () => {
    const { near, far } = await pair()
    await near.add(encode('message', Uint8Array.of(1)))
    await near.send(encode('message', Uint8Array.of(2)))
    expect((await far.next()).payload).toEqual(Uint8Array.of(1))
    expect((await far.next()).payload).toEqual(Uint8Array.of(2))
  })

  test('does not gather without end, and waits for a reader that is slow', async () => {
    const { near, far } = await pair()
    const piece = encode('message', new Uint8Array(60_000).fill(7))
    const count = 200
    const sending = (async () => {
      for (let i = 0; i < count; i++) await near.add(piece)
    })()
    for (let i = 0; i < count; i++) expect((await far.next()).payload.byteLength).toBe(60_000)
    await sending
  })

  test('sends what was added before it closes', async () => {
    const { near, far } = await pair()
    await near.add(encode('message', Uint8Array.of(9)))
    near.close()
    expect((await far.next()).payload).toEqual(Uint8Array.of(9))
    await expect(far.next()).rejects.toHaveProperty('code', 'Network.FrameError')
  })

  test('tells the reader when the stream broke before what was added could go', async () => {
    const { near } = await pair()
    await near.add(encode('message', Uint8Array.of(1)))
    near.reset(new Error('gone'))
    await expect(near.next()).rejects.toThrow('gone')
  })
})

describe('spareWindowUpdates', () => {
  test('lets the peer send half of the window before it hears of room', async () => {
    const { near, far } = await pair()
    const stream = near.stream as YamuxStream
    await near.send(encode('message', new Uint8Array(10)))
    await far.next()
    const before = stream['sendWindowCapacity']
    for (let i = 0; i < 20; i++) {
      await near.send(encode('message', new Uint8Array(1_000)))
      await far.next()
    }
    expect(before - stream['sendWindowCapacity']).toBe(20 * 1_005)

    for (let i = 0; i < 20; i++) {
      await near.send(encode('message', new Uint8Array(10_000)))
      await far.next()
    }
    expect(stream['sendWindowCapacity']).toBeGreaterThan(before - 20 * 11_010)
  })
})

/** Two ends of one stream between two nodes. */
async function pair() {
  const node = async () => {
    const started = await createLibp2p({
      addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
    })
    onTestFinished(async () => await started.stop())
    return started
  }
  const [a, b] = [await node(), await node()]
  let heard = 0
  const farLine = Promise.withResolvers<ReturnType<typeof line>>()
  await b.handle('/test', (stream) => {
    stream.addEventListener('message', () => heard++)
    farLine.resolve(line(stream, { bufferedBytes: 0 }, () => {}))
  })
  const stream = await a.dialProtocol(b.getMultiaddrs(), '/test')
  const near = line(stream, { bufferedBytes: 0 }, () => {})
  const far = await farLine.promise
  return { near, far, messages: () => heard }
}
