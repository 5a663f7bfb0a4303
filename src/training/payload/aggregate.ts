import { medianOf } from '../medianOf.ts'
import { type Contribution, mean } from './mean.ts'
import type { Terms } from './Rule.ts'
import { centredClipping, krum, trimmedMean } from './robust.ts'
import { scaled, squaredNorm, type Update } from './Update.ts'

/**
 * What a round's updates come to, by the order's way of aggregation: those too loud for the median are
 * brought down, then joined. Whatever order they come in, the bits are the same.
 *
 * @throws {PayloadError} when there are none, they differ in length, or their weights exceed 4,096.
 */
export function aggregate(
  contributions: readonly Contribution[],
  { aggregation, toleratedMicro }: Pick<Terms, 'aggregation' | 'toleratedMicro'>,
): Float32Array {
  const clipped = clipToMedian(contributions.map(({ update }) => update))
  const sound = contributions.map(({ weight }, at) => ({ update: clipped[at]!, weight }))
  const liars = Math.floor((contributions.length * toleratedMicro) / 1e6)
  switch (aggregation) {
    case 'trimmed-mean':
      return trimmedMean(sound, liars)
    case 'centred-clipping':
      return centredClipping(sound)
    case 'krum':
      return krum(sound, liars)
    default:
      return mean(sound)
  }
}

/**
 * Scales updates down whose norm is over `tolerance` times the median of the round, by the least power of
 * two that brings them below: a worker cannot outshout the others, and sums stay exact.
 */
export function clipToMedian(updates: readonly Update[], tolerance = 2): readonly Update[] {
  const norms = updates.map(squaredNorm)
  const limit = medianOf(norms) * tolerance * tolerance
  return updates.map((update, at) => {
    let shift = 0
    while (norms[at]! / 4 ** shift > limit && shift < 64) shift++
    return shift === 0 ? update : scaled(update, shift)
  })
}
