import type { Backend, Executable } from '../Backend.ts'
import type { Graph } from '../Graph.ts'
import { partConstants } from '../partConstants.ts'

/** A graph made ready without what follows from its constants, which was computed once. */
export type PartedExecutable = {
  /** Of the second part: its batch and results are the graph's, its state is not. */
  readonly executable: Executable
  /** Where a slot of the graph's state stands now; undefined when nothing reads it any more. */
  readonly slotOf: (slot: number) => number | undefined
}

/**
 * Parts a graph, computes what is constant, and prepares the rest: weights that a profile quantises are
 * then kept as int8 with f32 scales, and quantised never again.
 *
 * @param constants bytes of the first slots of its state, among them all that never change.
 */
export async function startParted(
  { backend }: { readonly backend: Backend },
  { graph, constants, signal }: startParted.Options,
): Promise<PartedExecutable> {
  const { ahead, step, sources } = partConstants(graph)
  const computed: Uint8Array[] = []
  if (ahead.results.length > 0) {
    await using executable = await backend.prepare(ahead, { signal })
    const numbers = new Map(graph.state.map(({ name }, slot) => [name, slot]))
    ahead.state.forEach(({ name }, slot) =>
      executable.writeState(slot, constants[numbers.get(name)!]!),
    )
    computed.push(...executable.step([]).map((bytes) => bytes.slice()))
  }
  const executable = await backend.prepare(step, { signal })
  sources.forEach((source, slot) => {
    const bytes = source.kind === 'ahead' ? computed[source.result] : constants[source.slot]
    if (bytes) executable.writeState(slot, bytes)
  })
  const slots = new Map(
    sources.flatMap((source, slot) => (source.kind === 'state' ? [[source.slot, slot]] : [])),
  )
  return { executable, slotOf: (slot) => slots.get(slot) }
}

export declare namespace startParted {
  type Options = {
    graph: Graph
    constants: readonly Uint8Array[]
    signal?: AbortSignal | undefined
  }
}
