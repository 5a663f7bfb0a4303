import { createReadStream } from 'node:fs'
import { createHash } from 'node:crypto'
import * as Hex from '../protocol/Hex.ts'

/** SHA-256 of a file, read in pieces. */
export async function hashFile(path: string): Promise<Hex.Hex> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array)
  return Hex.from(hash.digest())
}
