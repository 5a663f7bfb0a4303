import { batchOf, DataError } from '../data.ts'
import { bytesOf, type Run, type StepReport } from './startRun.ts'

/**
 * Trains a run of `decoderTrainingGraph` on the bytes of a data set until it has done `steps` steps,
 * drawing each batch for the step that the state counts: a run that is taken up again goes on as if it
 * had never stopped.
 *
 * @throws {DataError} when the data is shorter than a row.
 */
export async function train(
  run: Run,
  { data, seed, worker = 0, steps, onStep, signal }: train.Options,
): Promise<void> {
  const [rows, length] = run.graph.batch[0]?.shape ?? []
  if (rows === undefined || length === undefined || run.graph.batch.length > 1)
    throw new DataError('The graph does not read rows of tokens: build it by decoderTrainingGraph.')
  for (let step = run.stepsDone(); step < steps; step = run.stepsDone()) {
    signal?.throwIfAborted()
    const tokens = batchOf(data, { seed, step, worker, rows, length })
    const report = run.step([bytesOf(tokens)])
    // Whoever listens may write a checkpoint, and the run waits.
    await onStep?.(report)
  }
}

export declare namespace train {
  type Options = {
    data: Uint8Array
    seed: readonly [number, number]
    worker?: number | undefined
    /** How many steps the state shall have behind it in the end. */
    steps: number
    onStep?: ((report: StepReport) => void | Promise<void>) | undefined
    signal?: AbortSignal | undefined
  }
}
