import { leafBytes, leavesIn, rootOfBytes } from './merkle.ts'
import { hashRows } from './sha256.ts'

/**
 * The root over bytes of which little changes from call to call, as `rootOfBytes` gives it: leaves that
 * are as they were are not hashed again. It keeps a copy of the bytes, and a quarter as much of hashes.
 *
 * @example
 * ```ts
 * const root = startChangingRoot()
 * const before = root(cache)
 * ```
 */
export function startChangingRoot(): (bytes: Uint8Array) => Uint8Array {
  let last: { readonly copy: Uint8Array; readonly levels: readonly Uint8Array[] } | undefined
  return (bytes) => {
    if (bytes.byteLength === 0) return rootOfBytes(bytes)
    if (last?.copy.byteLength === bytes.byteLength) {
      const changed = changedLeaves(last.copy, bytes)
      update(last.levels, bytes, changed)
      for (const leaf of changed) last.copy.set(leafOf(bytes, leaf), leaf * leafBytes)
    } else last = { copy: bytes.slice(), levels: levelsOf(bytes) }
    return last.levels.at(-1)!.slice()
  }
}

/** All hashes of the tree over bytes, level by level, the root's last. */
function levelsOf(bytes: Uint8Array): readonly Uint8Array[] {
  const levels = [new Uint8Array(leavesIn(bytes.byteLength) * 32)]
  hashRows(0, bytes, { rowBytes: leafBytes, out: levels[0]! })
  for (let below = levels[0]!; below.byteLength > 32; below = levels.at(-1)!) {
    const pairs = Math.floor(below.byteLength / 64)
    const level = new Uint8Array(Math.ceil(below.byteLength / 64) * 32)
    hashRows(1, below.subarray(0, pairs * 64), { rowBytes: 64, out: level })
    level.set(below.subarray(pairs * 64), pairs * 32)
    levels.push(level)
  }
  return levels
}

/** Hashes what stands above some leaves again. */
function update(levels: readonly Uint8Array[], bytes: Uint8Array, leaves: readonly number[]): void {
  for (const leaf of leaves)
    hashRows(0, leafOf(bytes, leaf), { rowBytes: leafBytes, out: nodeOf(levels[0]!, leaf) })
  let nodes = leaves
  for (const [below, level] of levels.slice(1).entries()) {
    nodes = [...new Set(nodes.map((node) => node >>> 1))]
    for (const node of nodes) {
      const children = levels[below]!.subarray(node * 64, node * 64 + 64)
      if (children.byteLength === 32) level.set(children, node * 32)
      else hashRows(1, children, { rowBytes: 64, out: nodeOf(level, node) })
    }
  }
}

function leafOf(bytes: Uint8Array, leaf: number): Uint8Array {
  return bytes.subarray(leaf * leafBytes, (leaf + 1) * leafBytes)
}

function nodeOf(level: Uint8Array, node: number): Uint8Array {
  return level.subarray(node * 32, node * 32 + 32)
}

/** Which leaves differ, in order. */
function changedLeaves(before: Uint8Array, now: Uint8Array): number[] {
  const isAligned = now.byteOffset % 4 === 0 && now.byteLength % 4 === 0
  const [a, b] = isAligned ? [wordsOf(before), wordsOf(now)] : [before, now]
  const size = isAligned ? leafBytes / 4 : leafBytes
  const changed: number[] = []
  for (let leaf = 0; leaf * size < b.length; leaf++) {
    const end = Math.min(b.length, (leaf + 1) * size)
    let at = leaf * size
    while (at < end && a[at] === b[at]) at++
    if (at < end) changed.push(leaf)
  }
  return changed
}

function wordsOf({ buffer, byteOffset, byteLength }: Uint8Array): Uint32Array {
  return new Uint32Array(buffer, byteOffset, byteLength / 4)
}
