import type { Graph } from '../Graph.ts'
import { type Decoder, decoder, type Model } from '../models/decoder.ts'
import type { Optimiser, Schedule } from '../optimise.ts'
import { decoderTrainingGraph } from './trainingGraph.ts'

/** All that a run of training a decoder follows from, beside the data and the seed: plain data. */
export type Recipe = {
  readonly model: Decoder
  /** Rows of a batch, and tokens of a row that predict the one after them. */
  readonly rows: number
  readonly length: number
  readonly optimiser: Optimiser
  readonly schedule: Schedule
  /** Where the norm of all gradients together is greater, they are scaled down to it. */
  readonly clipNorm?: number | undefined
}

/**
 * The model and the training step of a recipe.
 *
 * @throws {DecoderError} when the sizes do not fit.
 */
export function build({ model: config, ...rest }: Recipe): { model: Model; graph: Graph } {
  const model = decoder(config)
  return { model, graph: decoderTrainingGraph(model, rest) }
}
