import { medianOf } from '../medianOf.ts'

/** How a round's deadline follows from when its quorum came and from how earlier commitments came. */
export const quorumShare = 0.75

/**
 * When a round closes at the latest, in milliseconds after its beginning: once three quarters have
 * committed the rest get until the median of recent arrivals and three times their median absolute
 * deviation, a second at least; without a quorum, `roundMs`.
 */
export function deadlineMs(
  arrivalsMs: readonly number[],
  { quorumAfterMs, roundMs }: { quorumAfterMs: number | undefined; roundMs: number },
): number {
  if (quorumAfterMs === undefined) return roundMs
  const middle = medianOf(arrivalsMs)
  const spread = medianOf(arrivalsMs.map((each) => Math.abs(each - middle)))
  return Math.min(roundMs, Math.max(quorumAfterMs + 1000, middle + 3 * spread))
}
