import { leafHash, nodeHash, rootOfHashes } from '../../exact/commit/merkle.ts'
import { hashRows, sha256 } from '../../exact/commit/sha256.ts'
import { depth, stride } from '../../protocol/dispute/Position.ts'

/**
 * Walks the trees of `src/exact/commit/merkle.ts` from the root down, several levels at a time. Level 0 are
 * the leaf hashes; a node that has no sibling moves up unchanged.
 */

export { depth, stride }

/** How many nodes a level has. */
export function sizeOf(count: number, level: number): number {
  return Math.ceil(count / 2 ** level)
}

/** Which nodes a reveal shows: `from` to before `to` of a level. */
export type Span = { readonly level: number; readonly from: number; readonly to: number }

/** What a reveal under a node must show, in a tree of `count` leaves. */
export function spanUnder({ level, index, count }: At): Span {
  const down = stride(level)
  const size = sizeOf(count, level - down)
  const to = Math.min((index + 1) * 2 ** down, size)
  return { level: level - down, from: index * 2 ** down, to }
}

export type At = { readonly level: number; readonly index: number; readonly count: number }

/** The node above nodes that stand side by side, the first at a place that is a multiple of their whole number. */
export function fold(nodes: readonly Uint8Array[]): Uint8Array {
  if (nodes.length === 0) return sha256(new Uint8Array(0))
  let level = nodes
  while (level.length > 1) level = levelAbove(level)
  return level[0]!
}

/** The siblings that prove one of some nodes under the node above them, bottom up. */
export function siblingsOf(nodes: readonly Uint8Array[], child: number): readonly Uint8Array[] {
  const siblings: Uint8Array[] = []
  for (let [level, at] = [nodes, child]; level.length > 1; level = levelAbove(level), at >>>= 1) {
    const sibling = level[at ^ 1]
    if (sibling) siblings.push(sibling)
  }
  return siblings
}

/** The node above `count` nodes of which number `child` is `node`; undefined when the siblings do not fit. */
export function climb(
  node: Uint8Array,
  siblings: readonly Uint8Array[],
  { child, count }: { child: number; count: number },
): Uint8Array | undefined {
  if (child < 0 || child >= count) return undefined
  let hash = node
  let used = 0
  for (let [at, size] = [child, count]; size > 1; at = Math.floor(at / 2), size = sizeOf(size, 1)) {
    const isRight = at % 2 === 1
    if (!isRight && at === size - 1) continue
    const sibling = siblings[used++]
    if (!sibling) return undefined
    hash = isRight ? nodeHash(sibling, hash) : nodeHash(hash, sibling)
  }
  return used === siblings.length ? hash : undefined
}

/** The leaf hashes of a tree, wherever they come from: `from` to before `to`, 32 bytes each, in new memory. */
export type Leaves = {
  readonly count: number
  hashes(from: number, to: number): Uint8Array
}

/** Nodes of a level, computed from the leaves in memory that does not grow with them. */
export function nodesIn(leaves: Leaves, { level, from, to }: Span): readonly Uint8Array[] {
  return Array.from({ length: to - from }, (_, at) => nodeIn(leaves, level, from + at))
}

function nodeIn(leaves: Leaves, level: number, index: number): Uint8Array {
  if (level <= chunkLevel) {
    const from = index * 2 ** level
    const to = Math.min(from + 2 ** level, leaves.count)
    return rootOfHashes(leaves.hashes(from, to))
  }
  const left = nodeIn(leaves, level - 1, index * 2)
  if (index * 2 + 1 >= sizeOf(leaves.count, level - 1)) return left
  return nodeHash(left, nodeIn(leaves, level - 1, index * 2 + 1))
}

/** Up to this level the leaves under a node are in memory at once. */
const chunkLevel = 10

/** The leaves of bytes cut into 256. */
export function leavesOfBytes(bytes: Uint8Array): Leaves {
  return {
    count: Math.ceil(bytes.byteLength / 256),
    hashes(from, to) {
      const out = new Uint8Array((to - from) * 32)
      hashRows(0, bytes.subarray(from * 256, to * 256), { rowBytes: 256, out })
      return out
    },
  }
}

/** Leaves of 32 bytes each, as roots are. */
export function leavesOfRoots(roots: Uint8Array): Leaves {
  return {
    count: roots.byteLength / 32,
    hashes(from, to) {
      const out = new Uint8Array((to - from) * 32)
      hashRows(0, roots.subarray(from * 32, to * 32), { rowBytes: 32, out })
      return out
    },
  }
}

/** Leaves of any lengths. */
export function leavesOfMany(leaves: readonly Uint8Array[]): Leaves {
  return {
    count: leaves.length,
    hashes(from, to) {
      const out = new Uint8Array((to - from) * 32)
      leaves.slice(from, to).forEach((leaf, at) => out.set(leafHash(leaf), at * 32))
      return out
    },
  }
}

/** The path of a leaf, as `merkle.ts` verifies it; only as far as the node of level `top` above the leaf. */
export function pathTo(leaves: Leaves, index: number, top = depth(leaves.count)): Uint8Array[] {
  const path: Uint8Array[] = []
  for (let [level, at] = [0, index]; level < top; level++, at = Math.floor(at / 2)) {
    const sibling = at % 2 === 0 ? at + 1 : at - 1
    if (sibling < sizeOf(leaves.count, level)) path.push(nodeIn(leaves, level, sibling))
  }
  return path
}

/**
 * The path of leaf `index` in the tree of somebody else, who has shown the nodes on the way down to leaf
 * `target`, which differs: what stands before `target` is as in our own tree, the rest is taken from what was shown.
 *
 * @param shown the nodes of each reveal, from the root down.
 */
export function pathInShown(
  own: Leaves,
  index: number,
  { target, shown }: { target: number; shown: readonly (readonly Uint8Array[])[] },
): readonly Uint8Array[] {
  const parts: (readonly Uint8Array[])[] = []
  let level = depth(own.count)
  for (const nodes of shown) {
    const span = spanUnder({ level, index: Math.floor(target / 2 ** level), count: own.count })
    const child = Math.floor(index / 2 ** span.level) - span.from
    if (child < 0 || child >= nodes.length) break
    parts.unshift(siblingsOf(nodes, child))
    level = span.level
    if (child !== Math.floor(target / 2 ** level) - span.from) break
  }
  return [...pathTo(own, index, level), ...parts.flat()]
}

function levelAbove(nodes: readonly Uint8Array[]): readonly Uint8Array[] {
  return Array.from({ length: sizeOf(nodes.length, 1) }, (_, index) => {
    const [left, right] = [nodes[2 * index]!, nodes[2 * index + 1]]
    return right ? nodeHash(left, right) : left
  })
}
