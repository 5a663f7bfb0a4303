import { readdirSync, readFileSync } from 'node:fs'
import { type Backend, build, decoderOf, type Run, startRun } from '../../src/exact/index.ts'
import type { Layout } from '../../src/training/Replica.ts'
import { type Evaluator, startEvaluator } from '../../src/training/startEvaluator.ts'

/** A model, its data, and the means to train it and to look at its loss. */
export type Problem = AsyncDisposable &
  Pick<Evaluator, 'loss'> & {
    readonly run: Run
    /** Tokens of an inner step. */
    readonly tokens: number
    readonly layout: Layout
    readonly start: readonly Uint8Array[]
    /** What is trained on, and the seed of its order. */
    readonly data: Uint8Array
    readonly seed: readonly [number, number]
  }

/** Sizes of the model and of a worker's batch: small, so that hundreds of rounds take a minute. */
export const sizes = { width: 16, layers: 1, heads: 2, length: 32, rows: 8 } as const

/** Prepares the decoder of a seed, on the text of `corpus`. */
export async function prepare(backend: Backend, options: prepare.Options): Promise<Problem> {
  const { seed, rate, steps, rows = sizes.rows, beta2 = 0.95, floor = 0.1 } = options
  const { width, layers, heads, length } = sizes
  const words = [seed, 0] as const
  const { trained, heldOut } = corpus()
  const { model, graph } = build({
    model: decoderOf({ layers, width, heads, positions: length, vocabulary: 128 }),
    length,
    rows,
    // Moments begin at zero each round and the counter does not: a short memory of squares forgets it soon.
    optimiser: { kind: 'adamw', weightDecay: 0.01, beta2 },
    schedule: { rate, warmupSteps: 20, decay: { steps, floor } },
    clipNorm: 1,
  })
  await using stack = new AsyncDisposableStack()
  const run = stack.use(await startRun({ backend }, { graph, ...model, seed: words }))
  const evaluation = { model, data: heldOut, rows: 32, length, batches: 32 }
  const evaluator = stack.use(await startEvaluator({ backend }, evaluation))
  const slots = graph.state.slice(0, model.parameters.length)
  const owned = stack.move()
  return {
    run,
    tokens: rows * length,
    layout: { slots, isTrained: model.parameters.map(({ isTrained }) => isTrained) },
    start: run.state().slice(0, slots.length),
    data: trained,
    seed: words,
    loss: (parameters) => evaluator.loss(parameters),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

export declare namespace prepare {
  type Options = {
    seed: number
    /** The greatest learning rate, and over how many steps it falls to a tenth. */
    rate: number
    steps: number
    /** @default that of `sizes` */
    rows?: number | undefined
    /** @default 0.95 */
    beta2?: number | undefined
    /** @default 0.1 */
    floor?: number | undefined
  }
}

/**
 * The types of Node as TypeScript has them: 2.4 MB of which half is documentation, the same bytes wherever the
 * lockfile was followed. Of twenty pages of 4 KiB one is held out.
 */
function corpus(): { readonly trained: Uint8Array; readonly heldOut: Uint8Array } {
  const folder = new URL('../../node_modules/@types/node/', import.meta.url)
  const files = readdirSync(folder)
    .filter((file) => file.endsWith('.d.ts'))
    .toSorted()
  const text = Buffer.concat(files.map((file) => readFileSync(new URL(file, folder))))
  const ascii = text.map((byte) => (byte < 128 ? byte : 63))
  const pages = Array.from({ length: Math.ceil(ascii.length / 4096) }, (_, page) =>
    ascii.subarray(page * 4096, (page + 1) * 4096),
  )
  const isHeldOut = (page: number) => page % 20 === 19
  return {
    trained: Buffer.concat(pages.filter((_, page) => !isHeldOut(page))),
    heldOut: Buffer.concat(pages.filter((_, page) => isHeldOut(page))),
  }
}
