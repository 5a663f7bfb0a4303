import { BaseError } from '../runtime/Errors.ts'
import type { Graph } from './Graph.ts'
import { byteLength, type DType, type Shape } from './Tensor.ts'

/**
 * The port of what runs graphs. Every back end gives the same bits for every graph, whatever machine,
 * runtime and number of threads it runs on; `compliance.ts` holds it to that.
 */
export type Backend = {
  /** Which back end and how it runs, for people: `reference`, `wasm, 2 threads`. */
  readonly name: string
  /**
   * Plans the memory of a graph and compiles what it needs, so that a step allocates nothing. The
   * state begins as zeros.
   */
  prepare(graph: Graph, options?: PrepareOptions): Promise<Executable>
}

export type PrepareOptions = { readonly signal?: AbortSignal | undefined }

/** A graph made ready, and its state. Bytes are little-endian, row-major, as long as the value. */
export type Executable = AsyncDisposable & {
  readonly graph: Graph
  /** Memory it holds: state, batch, and whatever is alive at once within a step. */
  readonly memoryBytes: number
  /**
   * Runs one step, and puts the next state in the place of the state.
   *
   * @param batch bytes of each batch slot, in the order of `graph.batch`.
   * @returns the results in the order of `graph.results`: views, which the next step overwrites.
   * @throws {BatchError} when the batch is not what the graph reads; the state is then as before.
   */
  step(batch: readonly Uint8Array[]): readonly Uint8Array[]
  /** A view of a state slot, which the next step overwrites. */
  readState(index: number): Uint8Array
  /** @throws {BatchError} when the bytes are not as long as the slot. */
  writeState(index: number, bytes: Uint8Array): void
  /**
   * Hashes the slots that every step writes whole, where a back end does so itself: at once, or while the
   * next step is computed.
   *
   * @returns a function that waits, and gives the Merkle root over the bytes of a slot; undefined of others.
   */
  readonly commit?: (() => (slot: number) => Uint8Array | undefined) | undefined
}

/**
 * Checks bytes from outside against the slots they are for.
 *
 * @throws {BatchError} when the number of values or the length of one differs.
 */
export function checkBytes(slots: readonly SlotLike[], values: readonly Uint8Array[]): void {
  if (slots.length !== values.length)
    throw new BatchError(`The graph reads ${slots.length} values here, not ${values.length}.`)
  slots.forEach((slot, index) => {
    const expected = byteLength(slot)
    const actual = values[index]!.byteLength
    if (actual === expected) return
    const what = `${slot.dtype} [${slot.shape.join(', ')}]`
    throw new BatchError(
      `${slot.name} is ${what}, which takes ${expected} bytes, not ${actual}: give all of its elements.`,
    )
  })
}

type SlotLike = { readonly name: string; readonly dtype: DType; readonly shape: Shape }

/** Thrown when bytes for a state or batch slot do not fit it. */
export class BatchError extends BaseError {
  override readonly code = 'Exact.BatchError'

  constructor(shortMessage: string) {
    super(shortMessage)
  }
}

/** Thrown when a machine or a runtime cannot run a back end, or an executable is used after its end. */
export class BackendError extends BaseError {
  override readonly code = 'Exact.BackendError'

  constructor(shortMessage: string, options: BaseError.Options = {}) {
    super(shortMessage, options)
  }
}
