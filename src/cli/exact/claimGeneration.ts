import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Backend } from '../../exact/Backend.ts'
import * as DataRoot from '../../exact/commit/DataRoot.ts'
import * as StateRoot from '../../exact/commit/StateRoot.ts'
import { encode } from '../../exact/encode.ts'
import { generationGraph, generationState } from '../../exact/generate/generationGraph.ts'
import { DecoderError } from '../../exact/models/decoder.ts'
import * as Checkpoint from '../../exact/run/Checkpoint.ts'
import { hashOf, originOf } from '../../exact/run/Claim.ts'
import { replay } from '../../exact/run/replay.ts'
import type { DecoderWeights } from '../../exact/weights/assembleDecoder.ts'
import { BaseError } from '../../runtime/Errors.ts'
import { onDisk } from './DiskError.ts'
import * as RunFile from './RunFile.ts'
import * as RunFolder from './RunFolder.ts'
import { writeAtomically } from './writeAtomically.ts'

/**
 * Continues a text as a run whose steps have roots, and keeps in a folder what it takes to repeat it: the
 * graph, the first state with the weights, the state root of each step, and what it came to.
 *
 * @returns the tokens after the prompt, as they come.
 */
export async function* claimGeneration(
  ports: { readonly backend: Backend },
  { model, weights }: DecoderWeights,
  { folder: path, prompt, maxTokens, temperature, seed }: claimGeneration.Options,
): AsyncGenerator<number, void> {
  const { positions } = model.config
  if (prompt.length + maxTokens > positions)
    throw new DecoderError(
      `${prompt.length} tokens and ${maxTokens} more do not fit ${positions} positions: ask for less.`,
    )
  if (RunFile.exists(path)) throw new TakenFolderError(path)
  const graph = generationGraph(model)
  const start = generationState(model, { weights, prompt, temperature, seed })
  const startRoot = StateRoot.from(graph.state, start)
  const origin = originOf(graph, { startRoot, dataRoot: noData, seed })
  const first = { origin, steps: 0, stateRoot: origin.startRoot, state: start }
  const about = { model: JSON.stringify(model.config) }
  onDisk(path, 'The first state cannot be written', () => {
    mkdirSync(path, { recursive: true })
    rmSync(join(path, 'steps.jsonl'), { force: true })
    writeAtomically(join(path, startName), Checkpoint.write(first, { graph, about }))
    writeAtomically(join(path, 'graph.cbor'), encode(graph))
  })
  const steps = prompt.length + maxTokens - 1
  using folder = RunFolder.open(path, { graph, origin, about })
  let finalRoot = origin.startRoot
  for await (const { step, root, results } of replay(ports, { graph, start, steps })) {
    finalRoot = hashOf(root)
    folder.append({ step, root: finalRoot })
    const [token] = results
    if (step + 1 >= prompt.length)
      yield new DataView(token!.buffer, token!.byteOffset).getUint32(0, true)
  }
  const claim = { ...origin, steps, finalRoot, runRoot: folder.runRoot() }
  RunFile.write(path, { kind: 'generation', version: 1, ...claim, model: model.config })
}

export declare namespace claimGeneration {
  type Options = {
    folder: string
    prompt: Uint32Array
    maxTokens: number
    temperature: number
    seed: readonly [number, number]
  }
}

/** The first state of a generation, a checkpoint of step 0. */
export const startName = 'start.safetensors'

/** A generation reads no data: the root of none. */
export const noData = DataRoot.from(new Uint8Array(0)).root

/** Thrown when a folder holds a run already. */
class TakenFolderError extends BaseError {
  override readonly code = 'Cli.TakenFolderError'

  constructor(folder: string) {
    super(`${folder} holds a run already: name another folder.`)
  }
}
