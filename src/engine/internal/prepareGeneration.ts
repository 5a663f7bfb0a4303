import type { Backend } from '../../exact/Backend.ts'
import * as Merkle from '../../exact/commit/merkle.ts'
import * as RunRoot from '../../exact/commit/RunRoot.ts'
import { sha256 } from '../../exact/commit/sha256.ts'
import { encode } from '../../exact/encode.ts'
import { generationGraph, generationState } from '../../exact/generate/generationGraph.ts'
import type { Graph } from '../../exact/Graph.ts'
import { rootOf } from '../../exact/judgeable.ts'
import { decoder } from '../../exact/models/decoder.ts'
import { startStateRoots } from '../../exact/run/startStateRoots.ts'
import { byteLength } from '../../exact/Tensor.ts'
import type { DecoderWeights } from '../../exact/weights/assembleDecoder.ts'
import * as Hex from '../../protocol/Hex.ts'
import type { ExactRun } from '../Engine.ts'

/** A decoder made ready to write texts up to a length, one at a time, each as a run with its roots. */
export type PreparedGeneration = AsyncDisposable & {
  /** Begins a text; one that was begun before is over. */
  begin(options: Writing): RunningGeneration
}

export type Writing = {
  readonly prompt: Uint32Array
  /** 0 always takes the most likely token. */
  readonly temperature: number
  readonly seed: readonly [number, number]
}

export type RunningGeneration = {
  /** Reads the next token of the text, and says which one follows. */
  step(): number
  /** What the run is and came to so far; at least one step must be done. */
  facts(): ExactRun
}

/** What never changes of a decoder for texts up to a length: the graph, and what it begins from. */
export type Generation = DecoderWeights & {
  readonly graph: Graph
  /** Root of the graph, and the sha2-256 digest within its CID. */
  readonly roots: Pick<ExactRun, 'graph' | 'graphCid'>
}

/** The generation of a decoder whose texts are at most `positions` tokens long. */
export function generationAt(loaded: DecoderWeights, positions: number): Generation {
  const model = decoder({ ...loaded.model.config, positions })
  // Only the rotary tables have a row for each position.
  const weights = model.parameters.map(({ slot }, index) =>
    loaded.weights[index]!.subarray(0, byteLength(slot)),
  )
  const graph = generationGraph(model)
  const roots = { graph: Hex.from(rootOf(graph)), graphCid: Hex.from(sha256(encode(graph))) }
  return { model, weights, graph, roots }
}

/** The first state of a text, slot by slot. */
export function firstState({ model, weights }: DecoderWeights, writing: Writing): Uint8Array[] {
  return generationState(model, { weights, ...writing })
}

/**
 * Prepares a generation: its weights are put into the executable and hashed once, however many texts follow.
 *
 * @param options.rootOfWeights the root over a parameter's bytes, which may be known from another length.
 */
export async function prepareGeneration(
  { backend }: { readonly backend: Backend },
  generation: Generation,
  { rootOfWeights = Merkle.rootOfBytes, signal }: prepareGeneration.Options = {},
): Promise<PreparedGeneration> {
  const { model, weights, graph, roots } = generation
  const executable = await backend.prepare(graph, { signal })
  weights.forEach((bytes, slot) => executable.writeState(slot, bytes))
  const known = new Map(weights.map((bytes, slot) => [slot, rootOfWeights(bytes)]))
  const readState = (slot: number) => executable.readState(slot)
  return {
    begin(writing) {
      generationState(model, { weights: [], ...writing }).forEach((bytes, index) =>
        executable.writeState(weights.length + index, bytes),
      )
      const stateRoot = startStateRoots({ graph, readState, known })
      const start = stateRoot()
      const run = RunRoot.start()
      let end = start
      return {
        step() {
          const [token] = executable.step([])
          end = stateRoot()
          run.push(end)
          return new DataView(token!.buffer, token!.byteOffset).getUint32(0, true)
        },
        facts: () => ({
          ...roots,
          start: Hex.from(start),
          end: Hex.from(end),
          data: Hex.zero,
          seed: writing.seed,
          steps: run.steps(),
          run: Hex.from(run.root()),
        }),
      }
    },
    [Symbol.asyncDispose]: () => executable[Symbol.asyncDispose](),
  }
}

export declare namespace prepareGeneration {
  type Options = {
    rootOfWeights?: ((bytes: Uint8Array) => Uint8Array) | undefined
    signal?: AbortSignal | undefined
  }
}
