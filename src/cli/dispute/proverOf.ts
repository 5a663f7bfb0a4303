import { setImmediate } from 'node:timers/promises'
import type { Backend } from '../../exact/Backend.ts'
import * as Checkpoint from '../../exact/run/Checkpoint.ts'
import { bytesOf } from '../../exact/run/Claim.ts'
import type { ExactClaim } from '../../protocol/ExactClaim.ts'
import { recordRun } from '../../verification/dispute/recordRun.ts'
import {
  startProver,
  type Prover,
  type RunOptions,
} from '../../verification/dispute/startProver.ts'
import * as RunFile from '../exact/RunFile.ts'
import * as RunFolder from '../exact/RunFolder.ts'
import { sourceOf } from '../exact/sourceOf.ts'
import type { Exactly } from '../openEngine.ts'
import { readBytes } from '../readBytes.ts'

/** Starts a prover of the run that an answer is: the run is done again, and what it leaves kept. */
export async function proverOfAnswer(
  { backend, source }: Exactly,
  { steps }: Pick<ExactClaim, 'steps'>,
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<Prover> {
  const { graph, start } = source
  // The seed of an answer stands in its first state; the claim says it too, but nothing reads it there.
  const options: RunOptions = { graph, start, steps, signal }
  const { stateRoots, checkpoints } = await recordRun({ backend, turn }, options)
  return startProver({ backend, turn }, { ...options, stateRoots, checkpoints })
}

/**
 * Starts a prover of the run in a folder: by its log of steps and its checkpoints, so that nothing is done again
 * that was kept.
 *
 * @returns undefined when the folder's run is not the one that the claim is about.
 */
export async function proverOfFolder(
  { backend }: { readonly backend: Backend },
  folder: string,
  claim: ExactClaim,
  { data }: { data?: string | undefined } = {},
): Promise<Prover | undefined> {
  const file = RunFile.read(folder)
  const origin = RunFile.originOf(file)
  const isAbout =
    origin.graphRoot === claim.graph &&
    origin.startRoot === claim.start &&
    origin.seed.join() === [claim.seed0, claim.seed1].join() &&
    (file.kind === 'generation' || origin.dataRoot === claim.data)
  const { entries } = RunFolder.readLog(folder)
  if (!isAbout || entries.length < claim.steps) return undefined
  const source = await sourceOf({ backend }, file, { folder, data })
  const { graph, start } = source
  const { steps, worker } = claim
  const stateRoots = new Uint8Array(steps * 32)
  for (const [at, { root }] of entries.slice(0, steps).entries())
    stateRoots.set(bytesOf(root), at * 32)
  const checkpoints = RunFolder.checkpointPaths(folder).map((path) => {
    const found = Checkpoint.read(readBytes(path), { graph, origin })
    // Read again when it is needed: states are large.
    const load = () => Promise.resolve(Checkpoint.read(readBytes(path), { graph, origin }).state)
    return { step: found.steps, load }
  })
  const run = { graph, start, data: source.data, seed: file.seed, worker, steps }
  return startProver({ backend, turn }, { ...run, stateRoots, checkpoints })
}

const turn = () => setImmediate()
