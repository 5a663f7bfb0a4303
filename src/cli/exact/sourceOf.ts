import { join } from 'node:path'
import type { Backend } from '../../exact/Backend.ts'
import * as DataRoot from '../../exact/commit/DataRoot.ts'
import { batchOf } from '../../exact/data.ts'
import { generationGraph } from '../../exact/generate/generationGraph.ts'
import type { Graph } from '../../exact/Graph.ts'
import { decoder } from '../../exact/models/decoder.ts'
import * as Checkpoint from '../../exact/run/Checkpoint.ts'
import { byteLength } from '../../exact/Tensor.ts'
import { build } from '../../exact/train/Recipe.ts'
import { bytesOf, drawParameters } from '../../exact/train/startRun.ts'
import { readBytes } from '../readBytes.ts'
import { noData, startName } from './claimGeneration.ts'
import * as RunFile from './RunFile.ts'

/** What a run follows from, made anew from its folder. */
export type Source = {
  readonly graph: Graph
  /** Bytes of each state slot before the first step. */
  readonly start: readonly Uint8Array[]
  readonly dataRoot: Uint8Array
  /** The data set, of a run that reads one; and the batch of each step. */
  readonly data?: Uint8Array | undefined
  readonly batchOf?: ((step: number) => readonly Uint8Array[]) | undefined
}

/**
 * Makes what the run in a folder follows from: its graph by the recipe, its weights by the seed or from the file
 * of the first state, its data from where the run found it or from another file.
 *
 * @throws {FileError} when a file is missing.
 */
export function sourceOf(
  ports: { readonly backend: Backend },
  file: RunFile.RunFile,
  { folder, data }: { folder: string; data?: string | undefined },
): Promise<Source> {
  return file.kind === 'training'
    ? trainingOf(ports, file, data ?? join(folder, file.data.file))
    : Promise.resolve(generationOf(file, folder))
}

async function trainingOf(
  { backend }: { backend: Backend },
  { recipe, seed }: RunFile.Training,
  dataPath: string,
): Promise<Source> {
  const data = readBytes(dataPath)
  const { model, graph } = build(recipe)
  const weights = await drawParameters({ backend }, { ...model, seed })
  const rest = graph.state.slice(weights.length).map((slot) => new Uint8Array(byteLength(slot)))
  const { rows, length } = recipe
  return {
    graph,
    start: [...weights, ...rest],
    dataRoot: DataRoot.from(data).root,
    data,
    batchOf: (step) => [bytesOf(batchOf(data, { seed, step, rows, length: length + 1 }))],
  }
}

function generationOf(file: RunFile.Generation, folder: string): Source {
  const graph = generationGraph(decoder(file.model))
  const origin = RunFile.originOf(file)
  const { state } = Checkpoint.read(readBytes(join(folder, startName)), { graph, origin })
  return { graph, start: state, dataRoot: noData }
}
