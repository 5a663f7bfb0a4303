import { BaseError } from '../runtime/Errors.ts'
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
