import type * as Hex from '../../protocol/Hex.ts'
import { BaseError, messageOf } from '../../runtime/Errors.ts'
import * as Manifest from './manifest.ts'

/** One place that content can be fetched from: each part comes by whatever way there is. */
export type BulkSource = {
  readonly url: string
  /**
   * Asks how a content is cut.
   *
   * @throws {LiarError} when it sends what cannot be right.
   * @throws {RefusalError} when it does not have it.
   * @throws {StrangerError} when somebody else is there.
   * @throws {Error} when it cannot be reached now.
   */
  manifest(hash: Hex.Hex, options: Limits): Promise<Manifest.Manifest>
  /** Fetches one chunk and checks it. Throws as `manifest` does. */
  chunk(
    hash: Hex.Hex,
    manifest: Manifest.Manifest,
    index: number,
    options: { signal: AbortSignal },
  ): Promise<Uint8Array>
  /** Fetches content that is small enough to come at once, and checks it. Throws as `manifest` does. */
  whole(hash: Hex.Hex, options: Limits): Promise<Uint8Array>
}

type Limits = { signal: AbortSignal; maxBytes: number }

/** How bytes are asked for: all that there are, a range of them, or the list of chunks. */
export type Part =
  | { readonly what: 'chunks' | 'whole' }
  | { readonly what: 'range'; readonly start: number; readonly length: number }

/** Brings the bytes of a part, at most `limitBytes`. */
export type Carrier = (
  hash: Hex.Hex,
  part: Part,
  options: { signal: AbortSignal; limitBytes: number },
) => Promise<Uint8Array>

/** Silence that breaks a request; and the longest a request may take, so that nobody drips for ever. */
export const stallMs = 15_000
const requestMs = 600_000

/** Makes a source of what carries its bytes. What comes is believed only when its hash is right. */
export function bulkSource(url: string, carry: Carrier): BulkSource {
  return {
    url,
    async manifest(hash, { signal, maxBytes }) {
      const limitBytes = 1024 + 70 * Manifest.chunkCount(maxBytes)
      const body = await carry(hash, { what: 'chunks' }, { signal: bounded(signal), limitBytes })
      const manifest = Manifest.parse(Buffer.from(body).toString())
      if (!manifest) throw new LiarError({ reason: 'Its list of chunks makes no sense.' })
      if (manifest.bytes > maxBytes)
        throw new RefusalError({ reason: `It offers ${manifest.bytes} bytes, over ${maxBytes}.` })
      return manifest
    },
    async chunk(hash, manifest, index, { signal }) {
      const start = index * Manifest.chunkBytes
      const length = Manifest.chunkLength(manifest, index)
      const options = { signal: bounded(signal), limitBytes: length }
      const chunk = await carry(hash, { what: 'range', start, length }, options)
      if (chunk.byteLength !== length || Manifest.hashChunk(chunk) !== manifest.chunks[index])
        throw new LiarError({ reason: `Chunk ${index} has the wrong hash.` })
      return chunk
    },
    async whole(hash, { signal, maxBytes }) {
      const options = { signal: bounded(signal), limitBytes: maxBytes }
      const bytes = await carry(hash, { what: 'whole' }, options).catch((error: unknown) => {
        // What the hash names may be larger than we take.
        throw error instanceof LiarError ? new RefusalError({ reason: messageOf(error) }) : error
      })
      if (Manifest.hashChunk(bytes) !== hash)
        throw new LiarError({ reason: 'What it sent has the wrong hash.' })
      return bytes
    },
  }
}

function bounded(signal: AbortSignal): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(requestMs)])
}

/** Gathers the parts of a body, and no more than it may have. */
export async function gather(
  parts: AsyncIterable<Uint8Array>,
  limitBytes: number,
  onPart: (bytes: number) => Promise<void>,
): Promise<Uint8Array> {
  const gathered: Uint8Array[] = []
  let bytes = 0
  for await (const part of parts) {
    bytes += part.byteLength
    if (bytes > limitBytes)
      throw new LiarError({ reason: `It sent more than the ${limitBytes} bytes asked for.` })
    gathered.push(part)
    await onPart(part.byteLength)
  }
  const [only] = gathered
  return gathered.length === 1 ? only! : Buffer.concat(gathered, bytes)
}

/** Thrown when a source sends something that cannot be right. */
export class LiarError extends BaseError {
  override readonly code = 'Bulk.LiarError'

  constructor({ reason }: { reason: string }) {
    super(reason)
  }
}

/** Thrown when a source cannot have the content: asking again would not help. */
export class RefusalError extends BaseError {
  override readonly code = 'Bulk.RefusalError'

  constructor({ reason }: { reason: string }) {
    super(reason)
  }
}

/** Thrown when a source is not to be found where it should be: there is another, or no such place. */
export class StrangerError extends BaseError {
  override readonly code = 'Bulk.StrangerError'

  constructor({ reason }: { reason: string }) {
    super(reason)
  }
}
