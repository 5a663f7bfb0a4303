import { BaseError } from '../../runtime/Errors.ts'
import * as StateRoot from '../commit/StateRoot.ts'
import type { Graph, NamedValue } from '../Graph.ts'
import { type DType, same } from '../Tensor.ts'
import * as Safetensors from '../weights/Safetensors.ts'
import { differences, hashOf, type Hash, isHash, type Origin } from './Claim.ts'

/**
 * The state of a run after some steps, as a safetensors file: tensors by the names of the graph's slots, and
 * in the metadata what the run follows from, so that it is only taken up again in the same run.
 */
export type Checkpoint = {
  readonly origin: Origin
  /** Steps that the state has behind it. */
  readonly steps: number
  readonly stateRoot: Hash
  /** Bytes of each state slot, in order. */
  readonly state: readonly Uint8Array[]
}

/**
 * The file of a checkpoint.
 *
 * @param about more metadata, as the sizes of the model.
 */
export function write(
  { origin, steps, stateRoot, state }: Checkpoint,
  { graph, about = {} }: { graph: Graph; about?: Readonly<Record<string, string>> },
): Uint8Array {
  const { seed, ...roots } = origin
  const metadata = {
    ...about,
    format,
    ...roots,
    seed: seed.join(' '),
    steps: String(steps),
    stateRoot,
  }
  const tensors = graph.state.map(({ name, dtype, shape }, index) => ({
    name,
    dtype: dtypes[dtype],
    shape,
    bytes: state[index]!,
  }))
  return Safetensors.write({ metadata, tensors })
}

/**
 * Reads a checkpoint of a run, and makes sure that it is one: that the run is the same and that the
 * tensors are those of the state root.
 *
 * @throws {OtherRunError} naming what differs.
 * @throws {CheckpointError} when it is damaged.
 * @throws {SafetensorsError} when the file is no safetensors.
 */
export function read(
  file: Uint8Array,
  { graph, origin }: { graph: Graph; origin: Origin },
): Checkpoint {
  const { metadata, tensors } = Safetensors.read(file)
  const found = headOf(metadata)
  const differing = differences(found.origin, origin)
  if (differing.length > 0) throw new OtherRunError(differing)
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]))
  const state = graph.state.map((slot) => stateOf(slot, byName.get(slot.name)))
  if (hashOf(StateRoot.from(graph.state, state)) !== found.stateRoot)
    throw new CheckpointError(
      'The checkpoint is damaged: its tensors are not those it names by root.',
    )
  return { ...found, state }
}

/** What the metadata of a checkpoint says, which `read` compares with the tensors. */
export function headOf(metadata: Readonly<Record<string, string>>): Omit<Checkpoint, 'state'> {
  const { graphCid, graphRoot, startRoot, dataRoot, stateRoot } = metadata
  const seed = (metadata['seed'] ?? '').split(' ').map(Number)
  const steps = Number(metadata['steps'] ?? Number.NaN)
  const isSound =
    metadata['format'] === format &&
    graphCid !== undefined &&
    isHash(graphRoot) &&
    isHash(startRoot) &&
    isHash(dataRoot) &&
    isHash(stateRoot) &&
    seed.length === 2 &&
    [...seed, steps].every((word) => Number.isInteger(word) && word >= 0 && word < 2 ** 32)
  if (!isSound)
    throw new CheckpointError('The file is no checkpoint of a run: give one that `train` wrote.')
  const [first = 0, second = 0] = seed
  const origin = { graphCid, graphRoot, startRoot, dataRoot, seed: [first, second] as const }
  return { origin, steps, stateRoot }
}

const format = 'weft exact checkpoint 1'

const dtypes: Readonly<Record<DType, Safetensors.DType>> = { f32: 'F32', u32: 'U32', i8: 'I8' }

function stateOf(slot: NamedValue, tensor: Safetensors.Tensor | undefined): Uint8Array {
  if (!tensor) throw new CheckpointError(`The checkpoint is damaged: it lacks ${slot.name}.`)
  if (tensor.dtype !== dtypes[slot.dtype] || !same(tensor.shape, slot.shape))
    throw new CheckpointError(`The checkpoint is damaged: ${slot.name} has another type or shape.`)
  return tensor.bytes
}

/** Thrown when a checkpoint is damaged, or none. */
export class CheckpointError extends BaseError {
  override readonly code = 'Exact.CheckpointError'

  constructor(shortMessage: string) {
    super(shortMessage)
  }
}

/** Thrown when a checkpoint or a folder is of another run. */
export class OtherRunError extends BaseError {
  override readonly code = 'Exact.OtherRunError'

  /**
   * @param differing what `differences` named.
   * @param options.details more about it, a line each.
   */
  constructor(
    differing: readonly string[],
    { what = 'The checkpoint', details = [] }: { what?: string; details?: readonly string[] } = {},
  ) {
    const list = differing.join(' and its ')
    super(
      `${what} is of another run: its ${list} ${differing.length > 1 ? 'differ' : 'differs'}.`,
      {
        metaMessages: [
          ...details,
          'Fix: go on with what that run was started with, or give this one another place.',
        ],
      },
    )
  }
}
