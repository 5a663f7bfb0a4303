import type { Backend } from '../../exact/Backend.ts'
import type { Graph } from '../../exact/Graph.ts'
import { lossGraph } from '../../exact/train/lossGraph.ts'
import type { Layout } from '../Replica.ts'

/** Measures how well states do on batches, to the bit alike on all machines. */
export type Measure = AsyncDisposable & {
  readonly graph: Graph
  /** Takes these parameters; `loss` is theirs from now on. */
  take(parameters: readonly Uint8Array[]): void
  /** Mean loss of a batch, nats a token. */
  loss(batch: readonly Uint8Array[]): number
}

/** Starts to measure by the loss of a training graph, whose batches it takes. */
export async function startMeasure(
  { backend }: { readonly backend: Backend },
  { graph, layout }: { graph: Graph; layout: Pick<Layout, 'slots'> },
): Promise<Measure> {
  const executable = await backend.prepare(lossGraph(graph, { slots: layout.slots.length }), {})
  return {
    graph: executable.graph,
    take: (parameters) => parameters.forEach((bytes, index) => executable.writeState(index, bytes)),
    loss(batch) {
      const [bytes] = executable.step(batch)
      return new DataView(bytes!.buffer, bytes!.byteOffset).getFloat32(0, true)
    },
    [Symbol.asyncDispose]: () => executable[Symbol.asyncDispose](),
  }
}
