import type { Libp2p, Stream } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'

/** libp2p as it comes, to compare with. */
export async function rawNode(): Promise<Libp2p> {
  return await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
  })
}

/** Answers `/echo` with what comes, and `/bulk` with zeros for as long as they are read. */
export async function serveRaw(node: Libp2p): Promise<void> {
  await node.handle('/echo', (stream) => {
    stream.addEventListener('message', ({ data }) => void stream.send(data.subarray()))
  })
  await node.handle('/bulk', async (stream) => {
    const chunk = new Uint8Array(256 * 1024)
    while (stream.status === 'open') {
      stream.send(chunk)
      // A full turn of the event loop lets frames out; `drain` does not come when the window grew meanwhile.
      await new Promise((resolve) => setImmediate(resolve))
      while (stream.writableNeedsDrain && stream.status === 'open') await event(stream, 'drain')
    }
  })
}

/** One message there and back on a stream of its own. */
export async function roundTripNewStream(node: Libp2p, address: string): Promise<void> {
  const stream = await node.dialProtocol(multiaddr(address), '/echo')
  const answered = event(stream, 'message')
  stream.send(new Uint8Array(200))
  await answered
  stream.abort(new Error('done'))
}

/** Reads `bytes` from a stream. */
export async function readRaw(node: Libp2p, address: string, bytes: number): Promise<number> {
  const stream = await node.dialProtocol(multiaddr(address), '/bulk')
  const { promise, resolve } = Promise.withResolvers<number>()
  let read = 0
  stream.addEventListener('message', ({ data }) => {
    read += data.byteLength
    if (read >= bytes) resolve(read)
  })
  const total = await promise
  stream.abort(new Error('done'))
  return total
}

async function event(stream: Stream, name: 'drain' | 'message'): Promise<void> {
  await new Promise<void>((resolve) => {
    stream.addEventListener(name, () => resolve(), { once: true })
    stream.addEventListener('close', () => resolve(), { once: true })
  })
}
