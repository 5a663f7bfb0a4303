import { batchOf } from '../exact/data.ts'
import { byteLength } from '../exact/Tensor.ts'
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
  { data, seed, worker, steps, onStep, signal, ...start }: runSegment.Options,
): Promise<readonly Uint8Array[]> {
  run.restore(segmentStart(run, start))
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
    /** Optimiser moments to go on with, in the graph's order. A run has none: they would not be public. */
    moments?: readonly Uint8Array[] | undefined
    onStep?: ((report: StepReport) => void | Promise<void>) | undefined
    signal?: AbortSignal | undefined
  }
}

/** Whoever computes segments: the exact engine (`runSegment`), or another program, whose segments nobody can repeat to the bit. */
export type Trainer = (options: runSegment.Options) => Promise<readonly Uint8Array[]>

/** The state that a segment begins from: moments are zeros unless they are given. */
export function segmentStart(
  { graph }: Pick<Run, 'graph'>,
  { layout, replica, stepsPerRound, moments }: segmentStart.Options,
): readonly Uint8Array[] {
  const { parameters, rounds } = replica
  return graph.state.map((slot, index) => {
    if (index < layout.slots.length) return parameters[index]!
    if (slot.name === 'step') return bytesOf(Uint32Array.of(rounds * stepsPerRound))
    return moments?.[index - layout.slots.length] ?? new Uint8Array(byteLength(slot))
  })
}

export declare namespace segmentStart {
  type Options = Pick<runSegment.Options, 'layout' | 'replica' | 'stepsPerRound' | 'moments'>
}
