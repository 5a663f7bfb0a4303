import { BaseError } from '../../runtime/Errors.ts'
import { hashRows, hashSubtree, sha256 } from './sha256.ts'

/**
 * Binary Merkle trees as in RFC 6962: SHA-256, prefix 0x00 before a leaf and 0x01 before two nodes; the
 * last node of an odd level moves up unchanged. A root does not say how many leaves it has: whoever
 * checks an opening must know the number from elsewhere (a shape, a graph, a receipt).
 */
export const leafBytes = 256

/** Proof that a leaf stands in a tree: the sibling hashes from the bottom up. */
export type Opening = {
  readonly leaf: Uint8Array
  readonly path: readonly Uint8Array[]
}

/**
 * The root over bytes cut into leaves of 256; the last may be shorter. No bytes give SHA-256 of nothing.
 *
 * @example
 * ```ts
 * const root = Merkle.rootOfBytes(new Uint8Array(1000))
 * ```
 */
export function rootOfBytes(bytes: Uint8Array): Uint8Array {
  const leaves = leavesIn(bytes.byteLength)
  if (leaves <= chunkLeaves) {
    const hashes = new Uint8Array(leaves * 32)
    return fold(hashes, hashRows(0, bytes, { rowBytes: leafBytes, out: hashes }))
  }
  const stream = startStream()
  stream.write(bytes)
  return stream.root()
}

/** The root over leaves given one by one, of any lengths. */
export function rootOfLeaves(leaves: readonly Uint8Array[]): Uint8Array {
  return fold(hashesOf(leaves), leaves.length)
}

/** The root over nodes of one level, 32 bytes each, all but the last of as many leaves. The bytes are written over. */
export function rootOfHashes(hashes: Uint8Array): Uint8Array {
  return fold(hashes, hashes.byteLength / 32)
}

/** Opens leaf `index` of what `rootOfBytes` commits to. */
export function openBytes(bytes: Uint8Array, index: number): Opening {
  const hashes = new Uint8Array(leavesIn(bytes.byteLength) * 32)
  const count = hashRows(0, bytes, { rowBytes: leafBytes, out: hashes })
  const path = pathOf(hashes, { index, count })
  return { leaf: bytes.slice(index * leafBytes, (index + 1) * leafBytes), path }
}

/** Opens leaf `index` of what `rootOfLeaves` commits to. */
export function openLeaf(leaves: readonly Uint8Array[], index: number): Opening {
  const path = pathOf(hashesOf(leaves), { index, count: leaves.length })
  return { leaf: leaves[index]!.slice(), path }
}

/** Whether an opening proves its leaf at `index` of `count` under a root. */
export function verifyLeaf(
  root: Uint8Array,
  { leaf, path }: Opening,
  { index, count }: Place,
): boolean {
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(count)) return false
  if (index < 0 || index >= count || root.byteLength !== 32) return false
  let hash = prefixed(0, leaf)
  let used = 0
  for (let [at, size] = [index, count]; size > 1; at = Math.floor(at / 2), size = half(size)) {
    const right = at % 2 === 1
    if (!right && at === size - 1) continue
    const sibling = path[used++]
    if (sibling?.byteLength !== 32) return false
    hash = right ? nodeHash(sibling, hash) : nodeHash(hash, sibling)
  }
  return used === path.length && equal(hash, root)
}

/** Whether an opening proves leaf `index` of bytes that are `byteLength` long. */
export function verifyBytes(
  root: Uint8Array,
  opening: Opening,
  { index, byteLength }: { index: number; byteLength: number },
): boolean {
  const expected = Math.min(leafBytes, byteLength - index * leafBytes)
  if (opening.leaf.byteLength !== expected) return false
  return verifyLeaf(root, opening, { index, count: leavesIn(byteLength) })
}

/** How many leaves some bytes have. */
export function leavesIn(byteLength: number): number {
  return Math.ceil(byteLength / leafBytes)
}

/**
 * The root over bytes that come in pieces, in memory that does not grow with them: subtrees of 1,024
 * leaves are folded in place, and of those only the peaks are kept.
 */
export function startStream(): Stream {
  const chunk = new Uint8Array(leafBytes * chunkLeaves)
  const peaks = startPeaks()
  let filled = 0
  let byteLength = 0
  return {
    write(bytes) {
      byteLength += bytes.byteLength
      for (let at = 0; at < bytes.byteLength;) {
        if (filled === chunk.byteLength) {
          peaks.push(rootOfChunk(chunk))
          filled = 0
        }
        // What is whole already is not copied.
        const part = bytes.subarray(at, at + chunk.byteLength - filled)
        at += part.byteLength
        if (part.byteLength === chunk.byteLength && at < bytes.byteLength) {
          peaks.push(rootOfChunk(part))
          continue
        }
        chunk.set(part, filled)
        filled += part.byteLength
      }
    },
    byteLength: () => byteLength,
    root: () => peaks.root(filled > 0 ? rootOfChunk(chunk.subarray(0, filled)) : undefined),
  }
}

/** The root over the bytes of at most `chunkLeaves` leaves. */
function rootOfChunk(bytes: Uint8Array): Uint8Array {
  const fast = hashSubtree(bytes)
  if (fast) return fast
  const hashes = new Uint8Array(leavesIn(bytes.byteLength) * 32)
  return fold(hashes, hashRows(0, bytes, { rowBytes: leafBytes, out: hashes }))
}

export type Stream = {
  write(bytes: Uint8Array): void
  byteLength(): number
  /** The root of all that was written so far; more may follow. */
  root(): Uint8Array
}

/**
 * A tree that grows by one leaf hash at a time, of which only the roots of its whole subtrees are kept:
 * at most one for each power of two.
 */
export function startPeaks(): Peaks {
  const stack: { hash: Uint8Array; height: number }[] = []
  return {
    push(hash) {
      let top = { hash, height: 0 }
      while (stack.at(-1)?.height === top.height)
        top = { hash: nodeHash(stack.pop()!.hash, top.hash), height: top.height + 1 }
      stack.push(top)
    },
    root(last) {
      const hashes = stack.map(({ hash }) => hash)
      if (last) hashes.push(last)
      if (hashes.length === 0) return sha256(new Uint8Array(0))
      return hashes.reduceRight((right, left) => nodeHash(left, right))
    },
  }
}

export type Peaks = {
  push(hash: Uint8Array): void
  /** The root, with a smaller subtree after the leaves if one is given. */
  root(last?: Uint8Array): Uint8Array
}

/** The hash of a leaf. */
export function leafHash(leaf: Uint8Array): Uint8Array {
  return prefixed(0, leaf)
}

/** The hash of a node above two. */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  const pair = new Uint8Array(65)
  pair[0] = 1
  pair.set(left, 1)
  pair.set(right, 33)
  return sha256(pair)
}

/** Whether two byte strings are the same. */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && a.every((byte, index) => byte === b[index])
}

type Place = { readonly index: number; readonly count: number }

const chunkLeaves = 1024

function hashesOf(leaves: readonly Uint8Array[]): Uint8Array {
  const hashes = new Uint8Array(leaves.length * 32)
  leaves.forEach((leaf, index) => hashes.set(prefixed(0, leaf), index * 32))
  return hashes
}

/** Folds the first `count` hashes into their root, in place. */
function fold(hashes: Uint8Array, count: number): Uint8Array {
  if (count === 0) return sha256(new Uint8Array(0))
  for (let size = count; size > 1; size = half(size)) foldLevel(hashes, size)
  return hashes.slice(0, 32)
}

function foldLevel(hashes: Uint8Array, size: number): void {
  const pairs = Math.floor(size / 2)
  hashRows(1, hashes.subarray(0, pairs * 64), { rowBytes: 64, out: hashes })
  if (size % 2 === 1) hashes.copyWithin(pairs * 32, (size - 1) * 32, size * 32)
}

function pathOf(hashes: Uint8Array, { index, count }: Place): Uint8Array[] {
  if (!Number.isInteger(index) || index < 0 || index >= count)
    throw new LeafError(`There is no leaf ${index}: give one of 0 to ${count - 1}.`)
  const path: Uint8Array[] = []
  for (let [at, size] = [index, count]; size > 1; at = at >>> 1, size = half(size)) {
    const sibling = at ^ 1
    if (sibling < size) path.push(hashes.slice(sibling * 32, sibling * 32 + 32))
    foldLevel(hashes, size)
  }
  return path
}

function half(size: number): number {
  return Math.ceil(size / 2)
}

function prefixed(prefix: number, bytes: Uint8Array): Uint8Array {
  const message = new Uint8Array(1 + bytes.byteLength)
  message[0] = prefix
  message.set(bytes, 1)
  return sha256(message)
}

/** Thrown when a leaf is asked for that a tree does not have. */
export class LeafError extends BaseError {
  override readonly code = 'Exact.LeafError'

  constructor(shortMessage: string) {
    super(shortMessage)
  }
}
