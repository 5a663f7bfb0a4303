import { startChangingRoot } from '../commit/changingRoot.ts'
import * as Merkle from '../commit/merkle.ts'
import * as StateRoot from '../commit/StateRoot.ts'
import type { Graph } from '../Graph.ts'

/**
 * The state root of a graph's state as it changes from step to step: each call reads the state as it then is.
 * Tensors that no step changes, as a decoder's rotary tables, are hashed at the first call only; of those
 * that a step writes a part of, as its cache, only what has changed.
 *
 * @example
 * ```ts
 * const stateRoot = startStateRoots(run)
 * const before = stateRoot()
 * ```
 */
export function startStateRoots({
  graph,
  readState,
  known,
  commit,
}: startStateRoots.Source): StateRoots {
  const constant = new Map(known)
  const computed = graph.state.length + graph.batch.length
  const roots = graph.next.map((value) => {
    const isPlaced = graph.ops[value - computed]?.op.kind === 'place'
    return isPlaced ? startChangingRoot() : Merkle.rootOfBytes
  })
  const fromRoots = StateRoot.startFromRoots(graph.state)
  const begin = () => {
    const hashed = commit?.()
    const isWhole = (index: number) =>
      graph.next[index] !== index && graph.ops[graph.next[index]! - computed]?.op.kind !== 'place'
    const current = roots.map((rootOf, index) => {
      if (hashed && isWhole(index)) return undefined
      const found = constant.get(index)
      if (found) return found
      const root = rootOf(readState(index))
      if (graph.next[index] === index) constant.set(index, root)
      return root
    })
    return () => fromRoots(current.map((root, index) => root ?? hashed!(index)!))
  }
  return Object.assign(() => begin()(), { begin })
}

/** Gives the state root; or begins with it, and gives a function that waits for it. */
export type StateRoots = (() => Uint8Array) & { readonly begin: () => () => Uint8Array }

export declare namespace startStateRoots {
  /** An executable, or what reads the state of one. */
  type Source = {
    readonly graph: Graph
    readonly readState: (index: number) => Uint8Array
    /** Hashes what every step writes whole, as the WebAssembly back end does; without it that is read, too. */
    readonly commit?: (() => (index: number) => Uint8Array | undefined) | undefined
    /** Roots over the bytes of slots that no step changes, by their numbers, where they are known. */
    readonly known?: ReadonlyMap<number, Uint8Array> | undefined
  }
}
