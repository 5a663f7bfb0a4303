import { readdirSync, readFileSync } from 'node:fs'
import {
  type Backend,
  batchOf,
  build,
  decoderOf,
  drawParameters,
  type Executable,
  Graph,
  nextTokenLoss,
  type Run,
  startRun,
  Tensor,
} from '../../src/exact/index.ts'
import { bytesOf } from '../../src/exact/train/startRun.ts'
import type { Layout } from '../../src/training/Replica.ts'

/** A model, its data, and the means to train it and to look at its loss. */
export type Problem = AsyncDisposable & {
  /** One inner step on `rows` rows; `wide` on as many rows as all workers together. */
  readonly run: Run
  readonly wide: Run
  readonly rows: number
  readonly length: number
  readonly layout: Layout
  readonly start: readonly Uint8Array[]
  /** What is trained on, and the seed of its order. */
  readonly data: Uint8Array
  readonly seed: readonly [number, number]
  /** Mean loss on held-out text. */
  readonly evaluate: (parameters: readonly Uint8Array[]) => number
}

/** Prepares the decoder of a seed, trained on the words of this repository. */
export async function prepare(backend: Backend, options: prepare.Options): Promise<Problem> {
  const { width, seed, steps, workers, rows = 4, length = 64 } = options
  const words = [seed, 0] as const
  const text = corpus()
  const cut = Math.floor(text.length * 0.95)
  const [trained, heldOut] = [text.subarray(0, cut), text.subarray(cut)]
  const recipe = {
    model: decoderOf({ layers: 2, width, heads: 4, positions: length }),
    length,
    optimiser: { kind: 'adamw' as const, weightDecay: 0.01 },
    schedule: {
      rate: options.rate ?? 4e-3,
      warmupSteps: 20,
      decay: { steps, floor: 0.1 },
    },
    clipNorm: 1,
  }
  const { model, graph } = build({ ...recipe, rows })
  const { graph: wideGraph } = build({ ...recipe, rows: rows * workers })
  await using stack = new AsyncDisposableStack()
  const run = stack.use(await startRun({ backend }, { graph, ...model, seed: words }))
  const wide = stack.use(await startRun({ backend }, { graph: wideGraph, ...model, seed: words }))
  const tokens = Tensor.input('batch', 'tokens', 'u32', [8, length + 1])
  const logits = model.logits(Tensor.slice(tokens, [0, 0], [8, length]))
  const evaluation: Executable = stack.use(
    await backend.prepare(
      Graph.from({
        state: model.parameters.map(({ slot }) => [slot, slot] as const),
        batch: [tokens],
        results: { loss: nextTokenLoss(logits, tokens) },
      }),
    ),
  )
  const start = await drawParameters({ backend }, { ...model, seed: words })
  const owned = stack.move()
  return {
    run,
    wide,
    rows,
    length,
    layout: {
      slots: graph.state.slice(0, model.parameters.length),
      isTrained: model.parameters.map(({ isTrained }) => isTrained),
    },
    start,
    data: trained,
    seed: words,
    evaluate(parameters) {
      parameters.forEach((bytes, index) => evaluation.writeState(index, bytes))
      const losses = Array.from({ length: 16 }, (_, step) => {
        const at = { seed: [99, 0] as const, step, rows: 8, length: length + 1 }
        const [loss] = evaluation.step([bytesOf(batchOf(heldOut, at))])
        return new DataView(loss!.buffer, loss!.byteOffset).getFloat32(0, true)
      })
      return losses.reduce((sum, each) => sum + each, 0) / losses.length
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

export declare namespace prepare {
  type Options = {
    width: number
    seed: number
    /** Inner steps in all, for the learning rate's decay. */
    steps: number
    workers: number
    rows?: number
    length?: number
    rate?: number
  }
}

function corpus(): Uint8Array {
  const root = new URL('../../', import.meta.url)
  const folders = ['./', 'docs/', 'docs/decisions/', 'src/exact/']
  const pages = folders.flatMap((folder) =>
    readdirSync(new URL(folder, root))
      .filter((file) => file.endsWith('.md'))
      .toSorted()
      .map((file) => readFileSync(new URL(folder + file, root))),
  )
  return Buffer.concat(pages)
}
