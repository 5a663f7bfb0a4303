import { createHash } from 'node:crypto'
import { open, type FileHandle } from 'node:fs/promises'
import * as z from 'zod/mini'
import type * as Hex from '../../protocol/Hex.ts'

/** How a file is cut: its size and the SHA-256 of every chunk. A claim until the whole file has the right hash. */
export type Manifest = {
  readonly bytes: number
  readonly chunks: readonly Hex.Hex[]
}

/** Size of every chunk but the last. */
export const chunkBytes = 4 * 1024 * 1024

const hash = z.string().check(z.regex(/^0x[0-9a-f]{64}$/)) as unknown as z.ZodMiniType<Hex.Hex>

export const schema = z.strictObject({
  bytes: z.int().check(z.minimum(0)),
  chunks: z.array(hash),
})

/** Parses a manifest from outside; undefined when it is none or does not add up. */
export function parse(text: string): Manifest | undefined {
  try {
    const { success, data } = z.safeParse(schema, JSON.parse(text))
    return success && data.chunks.length === chunkCount(data.bytes) ? data : undefined
  } catch {
    return undefined
  }
}

/** How many chunks a file of that size has. */
export function chunkCount(bytes: number): number {
  return Math.ceil(bytes / chunkBytes)
}

/** How many bytes chunk `index` has. */
export function chunkLength({ bytes }: Manifest, index: number): number {
  return Math.min(chunkBytes, bytes - index * chunkBytes)
}

/** Reads a file once and hashes it as a whole and in chunks. */
export async function hashFile(
  path: string,
  options: { signal?: AbortSignal | undefined } = {},
): Promise<{ readonly hash: Hex.Hex; readonly manifest: Manifest }> {
  await using file = await open(path, 'r')
  const whole = createHash('sha256')
  const chunks: Hex.Hex[] = []
  let bytes = 0
  for (;;) {
    options.signal?.throwIfAborted()
    const chunk = await readChunk(file, bytes, chunkBytes)
    if (chunk.byteLength === 0) break
    whole.update(chunk)
    chunks.push(hashChunk(chunk))
    bytes += chunk.byteLength
  }
  return { hash: `0x${whole.digest('hex')}`, manifest: { bytes, chunks } }
}

/** SHA-256 of one chunk. */
export function hashChunk(chunk: Uint8Array): Hex.Hex {
  return `0x${createHash('sha256').update(chunk).digest('hex')}`
}

/** Reads up to `length` bytes; fewer only at the end of the file. */
export async function readChunk(
  file: FileHandle,
  position: number,
  length: number,
): Promise<Uint8Array> {
  const buffer = Buffer.allocUnsafe(length)
  let read = 0
  while (read < length) {
    const { bytesRead } = await file.read(buffer, read, length - read, position + read)
    if (bytesRead === 0) break
    read += bytesRead
  }
  return buffer.subarray(0, read)
}
