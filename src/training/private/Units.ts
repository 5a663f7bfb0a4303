import { PayloadError } from '../payload/PayloadError.ts'

/** How many units the greatest norm is: an update is sent in whole units, and their squares add up exactly. */
export const unitsPerClip = 2 ** 18

/**
 * A pseudo-gradient in whole units, of a Euclidean norm of `unitsPerClip` at most: brought down to the
 * norm `clip` if it is longer, then cut towards zero, which never makes a vector longer. One with NaN or
 * an infinity in it counts as zeros.
 */
export function toUnits(vector: Float32Array, clip: number): Int32Array {
  const squared = vector.reduce((sum, each) => sum + each * each, 0)
  const units = new Int32Array(vector.length)
  if (!Number.isFinite(squared) || squared === 0) return units
  let scale = unitsPerClip / Math.max(clip, Math.sqrt(squared))
  do {
    vector.forEach((each, at) => (units[at] = Math.trunc(each * scale)))
    // Only where rounding of `scale` itself went up.
    scale *= 1 - 2 ** -40
  } while (squaredNorm(units) > unitsPerClip ** 2)
  return units
}

/** The mean of the updates of `count` workers from their sum in units. Every machine comes to the same bits. */
export function meanOf(
  sum: Int32Array,
  { clip, count }: { clip: number; count: number },
): Float32Array {
  const unit = clip / unitsPerClip / count
  return Float32Array.from(sum, (each) => each * unit)
}

/** Words of 32 bits, little-endian, as a payload. */
export function encode(words: Uint32Array): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength).slice()
}

/**
 * Reads what `encode` wrote. Any words may stand for anything: that they are many enough is all that can be checked.
 *
 * @throws {PayloadError} when they are not as many as the model has parameters.
 */
export function decode(bytes: Uint8Array, length: number): Uint32Array {
  if (bytes.byteLength !== length * 4)
    throw new PayloadError(
      `The payload has ${bytes.byteLength} bytes; one of this run has ${length * 4}.`,
    )
  return new Uint32Array(bytes.slice().buffer)
}

/** Exact: each square is below 2^36, and so is the sum where it matters. */
function squaredNorm(units: Int32Array): number {
  return units.reduce((sum, each) => sum + each * each, 0)
}
