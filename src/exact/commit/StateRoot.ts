import type { NamedValue } from '../Graph.ts'
import { byteLength, type DType, limits } from '../Tensor.ts'
import * as Merkle from './merkle.ts'
import { sha256 } from './sha256.ts'
import { words } from './words.ts'

/**
 * Commits to all tensors of a state in order: a Merkle tree with one leaf for each, which holds its name,
 * type, shape and the root over its bytes. The number of tensors is the graph's.
 */
export function from(slots: readonly NamedValue[], tensors: readonly Uint8Array[]): Uint8Array {
  return fromRoots(slots, tensors.map(Merkle.rootOfBytes))
}

/** The same when the root over each tensor's bytes is known. */
export function fromRoots(slots: readonly NamedValue[], roots: readonly Uint8Array[]): Uint8Array {
  return Merkle.rootOfLeaves(leavesOf(slots, roots))
}

/** The same from call to call: the leaves of tensors whose root is as it was are not hashed again. */
export function startFromRoots(
  slots: readonly NamedValue[],
): (roots: readonly Uint8Array[]) => Uint8Array {
  const leaves = slots.map((slot) => leafOf(slot, new Uint8Array(32)))
  const hashes = new Uint8Array(slots.length * 32)
  const last: Uint8Array[] = []
  return (roots) => {
    if (slots.length !== roots.length) return fromRoots(slots, roots)
    for (const [index, root] of roots.entries()) {
      if (last[index] && Merkle.equal(last[index], root)) continue
      const leaf = leaves[index]!
      // The root is the last word of a leaf.
      leaf.set(root, leaf.byteLength - 32)
      hashes.set(Merkle.leafHash(leaf), index * 32)
      last[index] = root.slice()
    }
    return Merkle.rootOfHashes(hashes.slice())
  }
}

/**
 * Proves 256 bytes of one tensor of a state.
 *
 * @param at which tensor, and which leaf of its bytes.
 * @throws {LeafError} when there is no such tensor or leaf.
 */
export function open(
  slots: readonly NamedValue[],
  tensors: readonly Uint8Array[],
  at: { tensor: number; leaf: number },
): Opening {
  const roots = tensors.map(Merkle.rootOfBytes)
  const { path } = Merkle.openLeaf(leavesOf(slots, roots), at.tensor)
  return {
    tensorRoot: roots[at.tensor]!,
    tensorPath: path,
    bytes: Merkle.openBytes(tensors[at.tensor]!, at.leaf),
  }
}

/** What proves 256 bytes of one tensor under a state root. */
export type Opening = {
  readonly tensorRoot: Uint8Array
  readonly tensorPath: readonly Uint8Array[]
  readonly bytes: Merkle.Opening
}

/** Whether an opening proves its bytes; the slots are those of a graph that the checker knows. */
export function verify(
  root: Uint8Array,
  { tensorRoot, tensorPath, bytes }: Opening,
  { slots, tensor, leaf }: { slots: readonly NamedValue[]; tensor: number; leaf: number },
): boolean {
  const slot = slots[tensor]
  if (!slot || tensorRoot.byteLength !== 32) return false
  const record = { leaf: leafOf(slot, tensorRoot), path: tensorPath }
  if (!Merkle.verifyLeaf(root, record, { index: tensor, count: slots.length })) return false
  return Merkle.verifyBytes(tensorRoot, bytes, { index: leaf, byteLength: byteLength(slot) })
}

/**
 * The leaf of a tensor, ten words of 32 bytes: SHA-256 of its name in UTF-8, number of its type, number
 * of its axes, six sizes (0 where there is no axis), root over its bytes.
 */
export function leafOf({ name, dtype, shape }: NamedValue, root: Uint8Array): Uint8Array {
  const sizes = Array.from({ length: limits.rank }, (_, axis) => shape[axis] ?? 0)
  const title = sha256(new TextEncoder().encode(name))
  return words(title, dtypeNumbers[dtype], shape.length, ...sizes, root)
}

/** Numbers of the types in commitments. */
export const dtypeNumbers: Readonly<Record<DType, number>> = { f32: 0, u32: 1, i8: 2 }

function leavesOf(slots: readonly NamedValue[], roots: readonly Uint8Array[]): Uint8Array[] {
  if (slots.length !== roots.length)
    throw new Merkle.LeafError(`The state has ${slots.length} tensors, not ${roots.length}.`)
  return slots.map((slot, index) => leafOf(slot, roots[index]!))
}
