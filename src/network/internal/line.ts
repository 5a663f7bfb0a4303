import type { Stream } from '@libp2p/interface'
import { encode, FrameError, frameReader, type Frame } from './frames.ts'
import { inbox } from './inbox.ts'
import { spareWindowUpdates } from './spareWindowUpdates.ts'

/** A libp2p stream as frames, with back-pressure both ways. */
export type Line = {
  readonly stream: Stream
  /** The next frame; throws when the stream ends or breaks. */
  next(): Promise<Frame>
  /** Sends a frame; resolves when more may be sent. */
  send(frame: Uint8Array, signal?: AbortSignal): Promise<void>
  /** The same, but together with what is added in this turn of the event loop. */
  add(frame: Uint8Array, signal?: AbortSignal): Promise<void>
  /** Breaks the stream: the other side notices. */
  reset(reason: Error): void
  /** Ends the stream in peace. */
  close(): void
  readonly open: boolean
  /** Whether frames arrived that nobody has taken. */
  readonly unread: boolean
}

/** What the streams of one peer hold in memory together. */
export type Account = { bufferedBytes: number }

/** How much a peer may leave half-sent over all its streams. */
export const bufferLimitBytes = 64 * 1024 * 1024

/** How much is added before it is sent at once. */
const addedLimitBytes = 64 * 1024

/** Frames kept for a reader that is slower than the stream, before the stream is paused. */
const pauseAt = 16

/**
 * Makes a line of a stream; `onClose` is called once, whatever ends it.
 *
 * @param options.unreadLimit The stream is broken when more frames than this have not been taken. @default none
 */
export function line(
  stream: Stream,
  account: Account,
  onClose: (error: Error | undefined) => void,
  options: { unreadLimit?: number | undefined } = {},
): Line {
  const { unreadLimit = Infinity } = options
  const reader = frameReader()
  const frames = inbox<Frame>({ limit: pauseAt })
  let buffered = 0
  let unread = 0
  const settle = (bytes: number) => {
    account.bufferedBytes += bytes - buffered
    buffered = bytes
  }

  let added: Uint8Array[] = []
  let addedBytes = 0
  const sendAdded = () => {
    if (added.length === 0) return
    const bytes = added.length === 1 ? added[0]! : Buffer.concat(added)
    added = []
    addedBytes = 0
    stream.send(bytes)
  }
  const sendLate = () => {
    try {
      sendAdded()
    } catch (error) {
      frames.end(error)
    }
  }

  spareWindowUpdates(stream)
  stream.addEventListener('message', ({ data }) => {
    try {
      for (const frame of reader.push(data.subarray())) {
        unread++
        frames.push(frame)
      }
      if (unread > unreadLimit) throw new FrameError({ reason: `${unread} requests at once` })
      settle(reader.bufferedBytes)
      if (account.bufferedBytes > bufferLimitBytes)
        throw new FrameError({ reason: `over ${bufferLimitBytes} bytes half-sent` })
      if (frames.full) stream.pause()
    } catch (error) {
      if (stream.status === 'open') stream.abort(error as Error)
    }
  })
  stream.addEventListener('remoteCloseWrite', () => {
    frames.end(new FrameError({ reason: 'the stream ended' }))
    stream.close().catch(() => {})
  })
  stream.addEventListener('close', ({ error }) => {
    settle(0)
    frames.end(error ?? new FrameError({ reason: 'the stream closed' }))
    onClose(error)
  })

  return {
    stream,
    async next() {
      const frame = await frames.next()
      unread--
      if (!frames.full && stream.readStatus === 'paused') stream.resume()
      return frame
    },
    async send(frame, signal) {
      sendAdded()
      stream.send(frame)
      while (stream.writableNeedsDrain) await drain(stream, signal)
    },
    async add(frame, signal) {
      if (added.length === 0) setImmediate(sendLate)
      added.push(frame)
      addedBytes += frame.byteLength
      if (addedBytes > addedLimitBytes) sendAdded()
      while (stream.writableNeedsDrain) await drain(stream, signal)
    },
    reset: (reason) => stream.abort(reason),
    close() {
      sendLate()
      stream.close().catch(() => {})
    },
    get open() {
      const { status, writeStatus, remoteWriteStatus } = stream
      return status === 'open' && writeStatus === 'writable' && remoteWriteStatus === 'writable'
    },
    get unread() {
      return unread > 0
    },
  }
}

/** Waits for the next `drain`. The stream's own `onDrain` waits the first time only (@libp2p/utils 7). */
async function drain(stream: Stream, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted()
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const abort = () => reject(signal?.reason)
  const close = () => reject(new FrameError({ reason: 'the stream closed' }))
  stream.addEventListener('drain', resolve as () => void, { once: true })
  stream.addEventListener('close', close, { once: true })
  signal?.addEventListener('abort', abort, { once: true })
  try {
    await promise
  } finally {
    stream.removeEventListener('drain', resolve as () => void)
    stream.removeEventListener('close', close)
    signal?.removeEventListener('abort', abort)
  }
}

/** Frames that carry nothing, encoded once. */
export const endFrame = encode('end')
