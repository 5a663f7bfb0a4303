import * as Merkle from './merkle.ts'
import { sha256 } from './sha256.ts'
import { words } from './words.ts'

/**
 * Commits to a data set, a byte file: SHA-256 of two words, its length in bytes and the Merkle root over
 * its bytes. The length is within because which bytes a step reads depends on it.
 *
 * @param pieces of the file, in order, of any lengths.
 */
export async function fromPieces(
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<Commitment> {
  const stream = Merkle.startStream()
  for await (const piece of pieces) stream.write(piece)
  return commitmentOf(stream.byteLength(), stream.root())
}

/** The commitment to bytes in memory. */
export function from(bytes: Uint8Array): Commitment {
  return commitmentOf(bytes.byteLength, Merkle.rootOfBytes(bytes))
}

/** A data set's root, and what it is made of. */
export type Commitment = {
  readonly root: Uint8Array
  readonly byteLength: number
  readonly bytesRoot: Uint8Array
}

/** Whether an opening proves leaf `index` of the data set with this root. */
export function verify(
  root: Uint8Array,
  opening: Merkle.Opening,
  { byteLength, bytesRoot, index }: Omit<Commitment, 'root'> & { readonly index: number },
): boolean {
  if (!Number.isSafeInteger(byteLength) || byteLength < 0 || bytesRoot.byteLength !== 32)
    return false
  if (!Merkle.equal(commitmentOf(byteLength, bytesRoot).root, root)) return false
  return Merkle.verifyBytes(bytesRoot, opening, { index, byteLength })
}

function commitmentOf(byteLength: number, bytesRoot: Uint8Array): Commitment {
  return { root: sha256(words(byteLength, bytesRoot)), byteLength, bytesRoot }
}
