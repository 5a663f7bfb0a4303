import { batchOf } from '../exact/data.ts'
import { bytesOf, type Run, type StepReport } from '../exact/train/startRun.ts'
import type { Layout, Replica } from './Replica.ts'

/**
 * Runs a worker's inner steps of a round: from the replica's parameters, with optimiser moments at zero
 * and the step counter where the round begins, on the worker's own stream of the data. What comes out
 * follows from public words alone, so that anybody can run it again.
 *
 * @param run of the order's training graph; its state is overwritten.
 * @returns the whole state at the end, slot by slot.
 */
export async function runSegment(
  run: Run,
  { layout, replica, data, seed, worker, steps, stepsPerRound, onStep, signal }: runSegment.Options,
): Promise<readonly Uint8Array[]> {
  run.restore(segmentStart(run, { layout, replica, stepsPerRound }))
  const [rows = 1, length = 1] = run.graph.batch[0]?.shape ?? []
  for (let done = 0; done < steps; done++) {
    signal?.throwIfAborted()
    const step = run.stepsDone()
    const tokens = batchOf(data, { seed, step, worker, rows, length })
    const report = run.step([bytesOf(tokens)])
    await onStep?.(report)
  }
  return run.state()
}

export declare namespace runSegment {
  type Options = {
    layout: Layout
    replica: Replica
    data: Uint8Array
    seed: readonly [number, number]
    /** The worker's number, which names its stream of the data. */
    worker: number
    steps: number
    /** How far the step counter moves on from round to round. */
    stepsPerRound: number
    onStep?: ((report: StepReport) => void | Promise<void>) | undefined
    signal?: AbortSignal | undefined
  }
}

/** The state that a segment begins from. */
export function segmentStart(
  { graph }: Pick<Run, 'graph'>,
  {
    layout,
    replica,
    stepsPerRound,
  }: Pick<runSegment.Options, 'layout' | 'replica' | 'stepsPerRound'>,
): readonly Uint8Array[] {
  const { parameters, rounds } = replica
  return graph.state.map((slot, index) => {
    if (index < layout.slots.length) return parameters[index]!
    if (slot.name === 'step') return bytesOf(Uint32Array.of(rounds * stepsPerRound))
    return new Uint8Array(slot.shape.reduce((product, size) => product * size, 4))
  })
}
