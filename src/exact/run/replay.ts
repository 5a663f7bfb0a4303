import type { Backend } from '../Backend.ts'
import type { Graph } from '../Graph.ts'
import { startStateRoots } from './startStateRoots.ts'

/**
 * Runs a graph step after step from a first state, and gives the state root that each step leaves: what
 * whoever checks a run compares with what was claimed.
 *
 * @param options.batchOf the batch of each step; of none by default.
 */
export async function* replay(
  { backend }: { readonly backend: Backend },
  { graph, start, steps, batchOf = () => [], signal }: replay.Options,
): AsyncGenerator<replay.Step, void> {
  await using executable = await backend.prepare(graph, { signal })
  start.forEach((bytes, index) => executable.writeState(index, bytes))
  const readState = (index: number) => executable.readState(index)
  const stateRoot = startStateRoots(executable)
  for (let step = 0; step < steps; step++) {
    signal?.throwIfAborted()
    const results = executable.step(batchOf(step))
    yield { step, root: stateRoot(), results, readState }
  }
}

export declare namespace replay {
  type Options = {
    graph: Graph
    /** Bytes of each state slot. */
    start: readonly Uint8Array[]
    steps: number
    batchOf?: ((step: number) => readonly Uint8Array[]) | undefined
    signal?: AbortSignal | undefined
  }
  type Step = {
    /** From 0. */
    readonly step: number
    /** Of the state that the step left. */
    readonly root: Uint8Array
    /** Views, which the next step overwrites. */
    readonly results: readonly Uint8Array[]
    readonly readState: (index: number) => Uint8Array
  }
}
