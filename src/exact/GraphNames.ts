import { equal } from './commit/merkle.ts'
import { cidOf, decode } from './encode.ts'
import type { Graph } from './Graph.ts'
import { rootOf } from './judgeable.ts'

/**
 * The two names of one graph: the CID of its canonical bytes, for people and programs, and its root, for
 * the chain. Neither can be computed from the other, so a claim that carries both must be checked.
 */
export type GraphNames = {
  readonly cid: string
  /** 32 bytes. */
  readonly root: Uint8Array
}

/** Both names of a graph. */
export function from(graph: Graph): GraphNames {
  return { cid: cidOf(graph), root: rootOf(graph) }
}

/**
 * Whether a claim's two names are those of one graph, by computing both again from its canonical bytes.
 *
 * @param bytes dag-cbor, as `encode` writes it; from anyone.
 * @throws {MalformedGraphError} when the bytes are no graph.
 *
 * @example
 * ```ts
 * const { agrees, names } = GraphNames.check(bytes, { cid: receipt.cid, root: receipt.root })
 * ```
 */
export function check(bytes: Uint8Array, claim: GraphNames): Check {
  const names = from(decode(bytes))
  const wrong = [
    ...(names.cid === claim.cid ? [] : (['cid'] as const)),
    ...(equal(names.root, claim.root) ? [] : (['root'] as const)),
  ]
  return { agrees: wrong.length === 0, wrong, names }
}

/** What a check found. */
export type Check = {
  readonly agrees: boolean
  /** Which names are not the graph's. */
  readonly wrong: readonly ('cid' | 'root')[]
  /** What they should be. */
  readonly names: GraphNames
}
