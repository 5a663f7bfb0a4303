import type { Backend } from '../exact/Backend.ts'
import { from } from '../exact/Graph.ts'
import type { Model } from '../exact/models/decoder.ts'
import { input, slice } from '../exact/Tensor.ts'
import { bytesOf } from '../exact/train/startRun.ts'
import { nextTokenLoss } from '../exact/train/trainingGraph.ts'

/** Measures models on data that nobody trains on. */
export type Evaluator = AsyncDisposable & {
  /** Mean loss of the rows, nats a token, of a model with these parameters. */
  loss(parameters: readonly Uint8Array[]): number
}

/**
 * Starts to measure on the same rows each time: as many as asked for, spread evenly over the data.
 *
 * @param options.data at least one token longer than a row.
 */
export async function startEvaluator(
  { backend }: { readonly backend: Backend },
  { model, data, rows, length, batches = 4 }: startEvaluator.Options,
): Promise<Evaluator> {
  const tokens = input('batch', 'tokens', 'u32', [rows, length + 1])
  const loss = nextTokenLoss(model.logits(slice(tokens, [0, 0], [rows, length])), tokens)
  const graph = from({
    state: model.parameters.map(({ slot }) => [slot, slot] as const),
    batch: [tokens],
    results: { loss },
  })
  const executable = await backend.prepare(graph, {})
  const inputs = rowsOf(data, { count: batches * rows, length: length + 1 })
  return {
    loss(parameters) {
      parameters.forEach((bytes, index) => executable.writeState(index, bytes))
      let sum = 0
      for (let batch = 0; batch < batches; batch++) {
        const chosen = inputs.subarray(
          batch * rows * (length + 1),
          (batch + 1) * rows * (length + 1),
        )
        const [bytes] = executable.step([bytesOf(chosen)])
        sum += new DataView(bytes!.buffer, bytes!.byteOffset).getFloat32(0, true)
      }
      return sum / batches
    },
    [Symbol.asyncDispose]: () => executable[Symbol.asyncDispose](),
  }
}

export declare namespace startEvaluator {
  type Options = {
    model: Model
    data: Uint8Array
    /** Rows of a batch, and tokens of each that predict the one after them. */
    rows: number
    length: number
    /** @default 4 */
    batches?: number | undefined
  }
}

function rowsOf(
  data: Uint8Array,
  { count, length }: { count: number; length: number },
): Uint32Array {
  const tokens = new Uint32Array(count * length)
  for (let row = 0; row < count; row++) {
    const begin = Math.floor(((data.length - length) * row) / Math.max(1, count - 1))
    tokens.set(data.subarray(begin, begin + length), row * length)
  }
  return tokens
}
