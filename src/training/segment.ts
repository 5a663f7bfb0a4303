import { sha256 } from '../exact/commit/sha256.ts'
import { words } from '../exact/commit/words.ts'
import { batchesOf } from '../exact/data.ts'
import { byteLength } from '../exact/Tensor.ts'
import { startStateRoots } from '../exact/run/startStateRoots.ts'
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
  { data, seed, worker, steps, roots, onStep, signal, ...start }: runSegment.Options,
): Promise<readonly Uint8Array[]> {
  run.restore(segmentStart(run, start))
  const roundSeed = seedOf(seed, start.replica.rounds)
  const batchAt = batchesOf(run.graph, { data, seed: roundSeed, worker })
  const stateRoot = roots && startStateRoots(run)
  roots?.push(stateRoot!())
  for (let done = 0; done < steps; done++) {
    signal?.throwIfAborted()
    const report = run.step(batchAt(done))
    roots?.push(stateRoot!())
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
    /** Takes the state roots, that before the first step and one after each, which a claim commits to. */
    roots?: Uint8Array[] | undefined
    onStep?: ((report: StepReport) => void | Promise<void>) | undefined
    signal?: AbortSignal | undefined
  }
}

/**
 * The seed of a round's data order: the first two words of SHA-256 over the order's seed and the round,
 * little-endian. A segment is a run of its own, which a claim can be about, so its steps count from 0.
 */
export function seedOf([seed0, seed1]: readonly [number, number], round: number): [number, number] {
  const hash = sha256(words(seed0, seed1, round))
  const view = new DataView(hash.buffer, hash.byteOffset)
  return [view.getUint32(0, true), view.getUint32(4, true)]
}

/** Whoever computes segments: the exact engine (`runSegment`), or another program, whose segments nobody can repeat to the bit. */
export type Trainer = (options: runSegment.Options) => Promise<readonly Uint8Array[]>

/** The exact engine as a trainer. */
export function trainerOf(run: Run): Trainer {
  return (options) => runSegment(run, options)
}

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
