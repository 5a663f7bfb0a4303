import { BaseError } from '../runtime/Errors.ts'
import type { Graph } from './Graph.ts'
import { philoxWord } from './philox.ts'

/**
 * The batch of a step: rows of consecutive bytes of a data set, as tokens. Where each row begins is
 * drawn by Philox from (seed, step, worker), so that anyone can draw the same (`rowBegin`).
 *
 * @param data the bytes of the data set.
 * @param length tokens of a row; to train on n tokens, n + 1 with the last label.
 * @throws {DataError} when the data is shorter than a row.
 */
export function batchOf(
  data: Uint8Array,
  { seed, step, worker = 0, rows, length }: batchOf.Options,
): Uint32Array {
  if (data.length < length)
    throw new DataError(
      `The data has ${data.length} bytes and a row takes ${length}: add data or train on shorter rows.`,
    )
  const tokens = new Uint32Array(rows * length)
  for (let row = 0; row < rows; row++) {
    const begin = rowBegin(data.length, { seed, step, worker, row, length })
    tokens.set(data.subarray(begin, begin + length), row * length)
  }
  return tokens
}

export declare namespace batchOf {
  type Options = {
    seed: readonly [number, number]
    step: number
    worker?: number | undefined
    rows: number
    length: number
  }
}

/**
 * The batches of a run on a data set, by step: those of `batchOf`, as the graph takes them; none where it takes none.
 *
 * @throws {DataError} when the graph takes something else than rows of tokens, or the data is left out.
 */
export function batchesOf(
  { batch }: Pick<Graph, 'batch'>,
  { data, seed = [0, 0], worker = 0 }: batchesOf.Options,
): (step: number) => readonly Uint8Array[] {
  if (batch.length === 0) return () => []
  const [rows, length] = rowsOf({ batch }) ?? []
  if (rows === undefined || length === undefined)
    throw new DataError(
      'Only rows of tokens are drawn from a data set: the graph takes another batch.',
    )
  if (!data) throw new DataError('The graph reads tokens: give the data set.')
  return (step) => [new Uint8Array(batchOf(data, { seed, step, worker, rows, length }).buffer)]
}

/** How many rows of how many tokens a graph's only batch has; undefined when it takes something else. */
export function rowsOf({
  batch,
}: Pick<Graph, 'batch'>): [rows: number, length: number] | undefined {
  const [{ dtype, shape } = { dtype: 'f32', shape: [] }, ...more] = batch
  const [rows, length, ...rest] = shape
  if (more.length > 0 || dtype !== 'u32' || !rows || !length || rest.length > 0) return undefined
  return [rows, length]
}

export declare namespace batchesOf {
  type Options = {
    data?: Uint8Array | undefined
    seed?: readonly [number, number] | undefined
    /** Whose stream of the data. @default 0 */
    worker?: number | undefined
  }
}

/**
 * Where a row begins in a data set of some bytes: the upper half of a product of 64 random bits and the
 * number of beginnings, words 2 row and 2 row + 1 of the worker's stream being the upper and the lower half.
 */
export function rowBegin(
  byteLength: number,
  { seed, step, worker = 0, row, length }: rowBegin.Options,
): number {
  const draw = { seed, step, stream: dataStream + worker }
  const [high, low] = [philoxWord(draw, 2 * row), philoxWord(draw, 2 * row + 1)]
  const random = (BigInt(high) << 32n) | BigInt(low)
  return Number((random * BigInt(byteLength - length + 1)) >> 64n)
}

export declare namespace rowBegin {
  type Options = Omit<batchOf.Options, 'rows'> & { row: number }
}

/** The first stream of data order, one for each worker; parameters take the streams from 0 on. */
export const dataStream = 0x4000_0000
/** The stream of sampling. */
export const samplingStream = 0x8000_0000

/** Byte-level tokens: the UTF-8 bytes of a text. */
export function tokensOf(text: string): Uint32Array {
  return Uint32Array.from(new TextEncoder().encode(text))
}

/** The text of byte-level tokens; what is not UTF-8 becomes a replacement character. */
export function textOf(tokens: ArrayLike<number>): string {
  return new TextDecoder().decode(Uint8Array.from(tokens))
}

/** Thrown when a data set cannot give a batch. */
export class DataError extends BaseError {
  override readonly code = 'Exact.DataError'

  constructor(shortMessage: string) {
    super(shortMessage)
  }
}
