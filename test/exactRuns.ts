/** Tiny exact runs for tests of disputes: a decoder that learns, and one that writes. */
import { batchOf, tokensOf } from '../src/exact/data.ts'
import type { Graph } from '../src/exact/Graph.ts'
import { generationGraph, generationState } from '../src/exact/generate/generationGraph.ts'
import { type Decoder, decoder } from '../src/exact/models/decoder.ts'
import { reference } from '../src/exact/reference.ts'
import { bytesOf, drawParameters, startRun } from '../src/exact/train/startRun.ts'
import { decoderTrainingGraph } from '../src/exact/train/trainingGraph.ts'
import { allIn, tinyDecoder } from './exactDecoders.ts'

/** A graph, the state before its first step, and what its batches are drawn from. */
export type TinyRun = {
  readonly graph: Graph
  readonly start: readonly Uint8Array[]
  readonly data: Uint8Array | undefined
  readonly seed: readonly [number, number]
  readonly worker: number
  readonly steps: number
  readonly batch: (step: number) => readonly Uint8Array[]
  /** The same drawn from other data. */
  readonly batchOf: (data: Uint8Array) => (step: number) => readonly Uint8Array[]
}

const data = Uint8Array.from(tokensOf('the cat sat on the mat; '.repeat(20)))
const seed = [1, 2] as const

/** A decoder of one layer, width 8, on rows of `length` tokens, 8 at most. */
export async function decoderTraining({
  profile = 'f32',
  rows = 2,
  length = 4,
  worker = 0,
  steps = 4,
}: Training = {}): Promise<TinyRun> {
  const model = decoder({ ...small, profiles: allIn(profile) })
  const graph = decoderTrainingGraph(model, {
    rows,
    length,
    optimiser: { kind: 'adamw' },
    schedule: { rate: 0.02, warmupSteps: 5, decay: { steps: 30, floor: 0.1 } },
    clipNorm: 1,
  })
  const { parameters } = model
  await using run = await startRun({ backend: reference }, { graph, parameters, seed })
  const batchFrom = (from: Uint8Array) => (step: number) => [
    bytesOf(batchOf(from, { seed, step, worker, rows, length: length + 1 })),
  ]
  const batch = batchFrom(data)
  return { graph, start: run.state(), data, seed, worker, steps, batch, batchOf: batchFrom }
}

const none = () => []

type Training = {
  profile?: 'f32' | 'i8' | 'i8x3' | undefined
  rows?: number | undefined
  length?: number | undefined
  worker?: number | undefined
  steps?: number | undefined
}

/** The same decoder, writing. */
export async function generation({ steps = 5 }: { steps?: number } = {}): Promise<TinyRun> {
  const model = decoder(small)
  const { parameters } = model
  const weights = await drawParameters({ backend: reference }, { parameters, seed })
  const prompt = tokensOf('cat').map((token) => token % small.vocabulary)
  const start = generationState(model, { weights, prompt, temperature: 0.8, seed })
  const graph = generationGraph(model)
  return {
    graph,
    start,
    data: undefined,
    seed: [0, 0],
    worker: 0,
    steps,
    batch: none,
    batchOf: () => none,
  }
}

const small: Decoder = { ...tinyDecoder, vocabulary: 128 }
