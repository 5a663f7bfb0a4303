import * as Merkle from '../commit/merkle.ts'
import * as StateRoot from '../commit/StateRoot.ts'
import type { Graph } from '../Graph.ts'

/**
 * The state root of a graph's state as it changes from step to step: each call reads the state as it then is.
 * Tensors that no step changes, as a decoder's rotary tables, are hashed at the first call only.
 *
 * @example
 * ```ts
 * const stateRoot = startStateRoots({ graph, readState: (index) => run.readState(index) })
 * const before = stateRoot()
 * ```
 */
export function startStateRoots({ graph, readState }: startStateRoots.Source): () => Uint8Array {
  const constant = new Map<number, Uint8Array>()
  return () => {
    const roots = graph.state.map((_, index) => {
      const known = constant.get(index)
      if (known) return known
      const root = Merkle.rootOfBytes(readState(index))
      if (graph.next[index] === index) constant.set(index, root)
      return root
    })
    return StateRoot.fromRoots(graph.state, roots)
  }
}

export declare namespace startStateRoots {
  /** An executable, or what reads the state of one. */
  type Source = {
    readonly graph: Graph
    readonly readState: (index: number) => Uint8Array
  }
}
