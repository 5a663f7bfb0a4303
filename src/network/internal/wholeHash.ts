import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import type * as Hex from '../../protocol/Hex.ts'
import * as Manifest from './manifest.ts'

/** The hash of a whole file while its chunks come, mostly in order: what is in memory is not read again. */
export type WholeHash = {
  /** Takes a chunk that has been checked and written. */
  add(index: number, chunk: Uint8Array): void
  /** Reads what is still missing from the file, and returns the hash. */
  finish(options: { signal: AbortSignal }): Promise<Hex.Hex>
}

/** Chunks that are kept because one before them is not there yet. */
const waitingLimit = 16

/** Starts hashing a file that is being fetched. */
export function wholeHash(file: FileHandle, manifest: Manifest.Manifest): WholeHash {
  const sum = createHash('sha256')
  const waiting = new Map<number, Uint8Array>()
  let next = 0
  const advance = () => {
    for (let chunk = waiting.get(next); chunk; chunk = waiting.get(next)) {
      sum.update(chunk)
      waiting.delete(next++)
    }
  }

  return {
    add(index, chunk) {
      if (index < next || (index > next && waiting.size >= waitingLimit)) return
      waiting.set(index, chunk)
      advance()
    },
    async finish({ signal }) {
      for (; next < manifest.chunks.length; advance()) {
        signal.throwIfAborted()
        const [start, length] = [next * Manifest.chunkBytes, Manifest.chunkLength(manifest, next)]
        sum.update(await Manifest.readChunk(file, start, length))
        next++
      }
      return `0x${sum.digest('hex')}`
    },
  }
}
