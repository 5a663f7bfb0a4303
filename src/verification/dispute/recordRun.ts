import type { Backend } from '../../exact/Backend.ts'
import { batchesOf } from '../../exact/data.ts'
import { startStateRoots } from '../../exact/run/startStateRoots.ts'
import { type Checkpoint, restore, type RunOptions, type Turn } from './startProver.ts'

/** What a prover needs of a run that was done. */
export type Recorded = {
  /** The state root that each step left, 32 bytes each. */
  readonly stateRoots: Uint8Array
  readonly checkpoints: readonly Checkpoint[]
  /** The state after the last step. */
  readonly end: readonly Uint8Array[]
}

/** Does a run and keeps what its prover needs: a state root each step, and now and then a state. */
export async function recordRun(
  { backend, turn }: { readonly backend: Backend; readonly turn?: Turn | undefined },
  { graph, start, data, seed = [0, 0], worker = 0, steps, signal, ...rest }: recordRun.Options,
): Promise<Recorded> {
  const { checkpointEvery = Math.max(1, Math.ceil(Math.sqrt(steps))), keep = keepInMemory } = rest
  const batchAt = batchesOf(graph, { data, seed, worker })
  await using executable = await backend.prepare({ ...graph, results: [] }, { signal })
  restore(executable, start)
  const stateRoot = startStateRoots(executable)
  const stateRoots = new Uint8Array(steps * 32)
  const checkpoints: Checkpoint[] = []
  const state = () => graph.state.map((_, slot) => executable.readState(slot).slice())
  for (let step = 0; step < steps; step++) {
    signal?.throwIfAborted()
    if (step > 0 && step % checkpointEvery === 0)
      checkpoints.push({ step, load: await keep(step, state()) })
    executable.step(batchAt(step))
    stateRoots.set(stateRoot(), step * 32)
    await turn?.()
  }
  return { stateRoots, checkpoints, end: state() }
}

export declare namespace recordRun {
  type Options = RunOptions & {
    /** @default the square root of the number of steps */
    checkpointEvery?: number | undefined
    /** Puts a state away, and says how to get it back. @default in memory */
    keep?: (step: number, state: readonly Uint8Array[]) => Promise<Checkpoint['load']>
  }
}

function keepInMemory(
  _step: number,
  state: readonly Uint8Array[],
): Promise<() => Promise<readonly Uint8Array[]>> {
  return Promise.resolve(() => Promise.resolve(state))
}
