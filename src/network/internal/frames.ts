import * as z from 'zod/mini'
import { codeOf, BaseError } from '../../runtime/Errors.ts'
import * as Network from '../Network.ts'

/**
 * What travels on a stream: a request is one `message`; the answer is any number of `message`s, then
 * `end` or `error`; then the stream is free for the next request.
 *
 *     length of the payload (4 bytes, big-endian) | type (1 byte) | payload
 */
export type Frame = { readonly type: FrameType; readonly payload: Uint8Array }
export type FrameType = 'message' | 'end' | 'error'

const types: readonly FrameType[] = ['message', 'end', 'error']
const limits: Readonly<Record<FrameType, number>> = {
  message: Network.limitBytes,
  end: 0,
  error: 8192,
}
const headerBytes = 5
const none = new Uint8Array()

/** Encodes a frame. */
export function encode(type: FrameType, payload: Uint8Array = none): Uint8Array {
  const frame = new Uint8Array(headerBytes + payload.byteLength)
  new DataView(frame.buffer).setUint32(0, payload.byteLength)
  frame[4] = types.indexOf(type)
  frame.set(payload, headerBytes)
  return frame
}

/** Encodes what a handler has thrown: the code and sentence of our own errors, nothing of others. */
export function encodeError(error: unknown): Uint8Array {
  const { code, message } = describe(error)
  return encode('error', new TextEncoder().encode(JSON.stringify({ code, message })))
}

/** What a peer may know of an error: others than ours could tell about this machine. */
export function describe(error: unknown): { readonly code: string; readonly message: string } {
  const message =
    error instanceof BaseError ? error.shortMessage : 'The peer failed for a reason of its own.'
  return { code: codeOf(error).slice(0, 128), message: message.slice(0, 1024) }
}

/** Decodes an `error` frame. Garbage gives an error too. */
export function decodeError(payload: Uint8Array): Network.RemoteError {
  const fallback = { code: 'Internal.UnknownError', message: 'The peer sent an unreadable error.' }
  return new Network.RemoteError(parse(payload) ?? fallback)
}

const errorSchema = z.object({ code: z.string(), message: z.string() })

function parse(payload: Uint8Array): z.infer<typeof errorSchema> | undefined {
  try {
    const result = z.safeParse(errorSchema, JSON.parse(new TextDecoder().decode(payload)))
    return result.success ? result.data : undefined
  } catch {
    return undefined
  }
}

/** Cuts bytes into frames, however they arrive. */
export type FrameReader = {
  /**
   * Takes the next bytes and returns the frames that are complete.
   *
   * @throws {FrameError} when the bytes are not frames, or a frame is too large; before it is stored.
   */
  push(bytes: Uint8Array): readonly Frame[]
  /** Bytes of a frame that is not complete. */
  readonly bufferedBytes: number
}

export function frameReader(): FrameReader {
  let buffer = none
  let length = 0
  const append = (bytes: Uint8Array) => {
    if (length + bytes.byteLength > buffer.byteLength) {
      const grown = new Uint8Array(Math.max(1024, 2 * length, length + bytes.byteLength))
      grown.set(buffer.subarray(0, length))
      buffer = grown
    }
    buffer.set(bytes, length)
    length += bytes.byteLength
  }

  return {
    push(bytes) {
      if (length > 0) append(bytes)
      const source = length > 0 ? buffer.subarray(0, length) : bytes
      const { frames, taken } = cut(source)
      const rest = source.subarray(taken)
      if (rest.byteLength === 0) {
        buffer = none
        length = 0
      } else if (taken > 0 || length === 0) {
        const kept = new Uint8Array(rest)
        length = 0
        buffer = none
        append(kept)
      }
      return frames
    },
    get bufferedBytes() {
      return length
    },
  }
}

function cut(source: Uint8Array): { readonly frames: readonly Frame[]; readonly taken: number } {
  const frames: Frame[] = []
  const view = new DataView(source.buffer, source.byteOffset, source.byteLength)
  let at = 0
  while (source.byteLength - at >= headerBytes) {
    const length = view.getUint32(at)
    const type = types[source[at + 4]!]
    if (!type) throw new FrameError({ reason: `unknown type ${source[at + 4]}` })
    if (length > limits[type]) throw new FrameError({ reason: `${type} of ${length} bytes` })
    if (source.byteLength - at - headerBytes < length) break
    const start = at + headerBytes
    const payload = length === 0 ? none : new Uint8Array(source.subarray(start, start + length))
    frames.push({ type, payload })
    at = start + length
  }
  return { frames, taken: at }
}

/** Thrown when a peer sends bytes that no peer of ours would. */
export class FrameError extends BaseError {
  override readonly code = 'Network.FrameError'

  constructor({ reason }: { reason: string }) {
    super('The peer does not speak the protocol.', { metaMessages: [`Reason: ${reason}`] })
  }
}
