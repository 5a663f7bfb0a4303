import { gradients } from '../autodiff.ts'
import * as Graph from '../Graph.ts'
import type { Model } from '../models/decoder.ts'
import * as Ops from '../ops.ts'
import { optimise } from '../optimise.ts'
import { input, reshape, slice, type Tensor } from '../Tensor.ts'

/**
 * A whole training step as one graph: forward, backward, clipping, the optimiser, the step counter.
 * Its results are `loss`, `gradientNorm` and `learningRate`; its state the parameters in order, then
 * the moments, then `step`.
 *
 * @param loss a scalar of the parameters and the batch slots.
 */
export function trainingGraph(options: trainingGraph.Options): Graph.Graph {
  const { parameters, batch, loss, profiles, ...rest } = options
  const trained = parameters.filter(({ isTrained }) => isTrained)
  const slopes = gradients(
    loss,
    trained.map(({ slot }) => slot),
    { profiles },
  )
  const { state, gradientNorm, learningRate } = optimise({ parameters, gradients: slopes, ...rest })
  return Graph.from({ state, batch, results: { loss, gradientNorm, learningRate } })
}

export declare namespace trainingGraph {
  type Options = Omit<optimise.Options, 'gradients'> &
    gradients.Options & { batch: readonly Tensor[]; loss: Tensor }
}

/**
 * The training step of a decoder on rows of `length` tokens: its batch is `tokens`, u32 [rows,
 * length + 1], each token but the last predicting the one after it.
 */
export function decoderTrainingGraph(
  model: Model,
  { rows, length, ...rest }: decoderTrainingGraph.Options,
): Graph.Graph {
  const tokens = input('batch', 'tokens', 'u32', [rows, length + 1])
  const { parameters } = model
  const loss = nextTokenLoss(model.logits(slice(tokens, [0, 0], [rows, length])), tokens)
  return trainingGraph({ parameters, batch: [tokens], loss, ...rest })
}

export declare namespace decoderTrainingGraph {
  type Options = Omit<trainingGraph.Options, 'batch' | 'loss' | 'parameters'> & {
    rows: number
    length: number
  }
}

/**
 * The mean cross-entropy, in nats, of logits [rows, length, vocabulary] against the tokens one place
 * further on, of tokens [rows, length + 1].
 */
export function nextTokenLoss(logits: Tensor, tokens: Tensor): Tensor {
  const [rows = 1, length = 1] = logits.shape
  const labels = slice(tokens, [0, 1], [rows, length])
  const losses = Ops.crossEntropy(logits, labels)
  return Ops.divideBy(reshape(Ops.sumAll(losses), []), rows * length)
}
