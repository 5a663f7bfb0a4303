import { createHash } from 'node:crypto'
import type { Backend } from '../../exact/Backend.ts'
import * as DataRoot from '../../exact/commit/DataRoot.ts'
import * as StateRoot from '../../exact/commit/StateRoot.ts'
import { DataError } from '../../exact/data.ts'
import { encode } from '../../exact/encode.ts'
import { rootOf } from '../../exact/judgeable.ts'
import type { Model } from '../../exact/models/decoder.ts'
import { build, type Recipe } from '../../exact/train/Recipe.ts'
import { type Run, startRun } from '../../exact/train/startRun.ts'
import * as Hex from '../../protocol/Hex.ts'
import type * as TrainingOrder from '../../protocol/training/TrainingOrder.ts'
import { BaseError } from '../../runtime/Errors.ts'
import type { Layout } from '../../training/Replica.ts'

/** What a worker computes with, made from a recipe, a seed and the data, and the roots that name it. */
export type Prepared = AsyncDisposable & {
  readonly model: Model
  readonly recipe: Recipe
  readonly run: Run
  readonly layout: Layout
  readonly start: readonly Uint8Array[]
  /** What the workers learn from, and the last part, which is only measured on. */
  readonly training: Uint8Array
  readonly heldOut: Uint8Array
  readonly roots: Pick<TrainingOrder.TrainingOrder, 'graph' | 'graphCid' | 'start' | 'data'>
}

/** Which part of the data is held out. */
export const heldOutShare = 0.05

/**
 * Builds the model, draws its first state, and cuts the data.
 *
 * @throws {DataError} when the data is too short, or has bytes that the model does not know.
 */
export async function prepareRun(
  { backend }: { readonly backend: Backend },
  { recipe, seed, data, isPrivate = false }: prepareRun.Options,
): Promise<Prepared> {
  const cut = cutOf(data, recipe)
  const { model, graph } = build(recipe)
  const run = await startRun({ backend }, { graph, ...model, seed })
  const layout = layoutOf({ model, graph })
  const start = run.state().slice(0, layout.slots.length)
  return {
    model,
    recipe,
    run,
    layout,
    start,
    ...cut,
    roots: {
      graph: Hex.from(rootOf(graph)),
      graphCid: Hex.from(createHash('sha256').update(encode(graph)).digest()),
      start: Hex.from(StateRoot.from(layout.slots, start)),
      data: isPrivate ? Hex.zero : Hex.from(DataRoot.from(cut.training).root),
    },
    [Symbol.asyncDispose]: () => run[Symbol.asyncDispose](),
  }
}

/** Which of a training graph's state slots are the model. */
export function layoutOf({ model, graph }: ReturnType<typeof build>): Layout {
  return {
    slots: graph.state.slice(0, model.parameters.length),
    isTrained: model.parameters.map(({ isTrained }) => isTrained),
  }
}

export declare namespace prepareRun {
  type Options = {
    recipe: Recipe
    seed: readonly [number, number]
    data: Uint8Array
    /** Whether the data is this worker's alone, and nobody is told what it is. @default false */
    isPrivate?: boolean | undefined
  }
}

/**
 * Compares what an order names with what was made here.
 *
 * @throws {DiffersError} naming what is another, and what to do.
 */
export function expectOrdered(
  order: TrainingOrder.TrainingOrder,
  { roots }: Pick<Prepared, 'roots'>,
  about: { dataBytes: number; orderedBytes: number },
): void {
  const { dataBytes, orderedBytes } = about
  const size =
    dataBytes === orderedBytes
      ? `as long as it should be, ${dataBytes} bytes, but with another content`
      : `${dataBytes} bytes long, and the run's is ${orderedBytes}`
  const causes = {
    data: `The data is another: it is ${size}. Fix: use the same file, byte for byte.`,
    graph:
      'The graph is another: this version of the program builds it otherwise. Fix: use the same.',
    start: 'The first state is another: this machine draws other weights. Fix: run `weft doctor`.',
  }
  const differing = (['graph', 'start', 'data'] as const).filter(
    (name) => order[name] !== roots[name],
  )
  if (differing.length === 0) return
  throw new DiffersError(
    differing.map((name) => causes[name]),
    differing.flatMap((name) => [`${name} of the run: ${order[name]}`, `here: ${roots[name]}`]),
  )
}

function cutOf(data: Uint8Array, { model, length }: Recipe) {
  const at = data.length - Math.floor(data.length * heldOutShare)
  const [training, heldOut] = [data.subarray(0, at), data.subarray(at)]
  const unknown = data.findIndex((byte) => byte >= model.vocabulary)
  if (unknown >= 0)
    throw new DataError(
      `Byte ${unknown} of the data is ${data[unknown]}, not below the vocabulary of ${model.vocabulary}: ` +
        'make model.vocabulary 256.',
    )
  const least = Math.ceil((length + 1) / heldOutShare) + 1
  if (heldOut.length < length + 1)
    throw new DataError(
      `The data has ${data.length} bytes; with rows of ${length} it takes ${least}, of which a twentieth is held out: ` +
        'add data or make length smaller.',
    )
  return { training, heldOut }
}

/** Thrown when what a run is about is not what is here. */
class DiffersError extends BaseError {
  override readonly code = 'Cli.OtherTrainingError'

  constructor([first = '', ...others]: readonly string[], details: readonly string[]) {
    super(first, { metaMessages: [...others, ...details] })
  }
}
