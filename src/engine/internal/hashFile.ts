import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import type * as Hex from '../../protocol/Hex.ts'

/** SHA-256 of a file of any size. */
export async function hashFile(path: string): Promise<Hex.Hex> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash)
  return `0x${hash.digest('hex')}`
}
