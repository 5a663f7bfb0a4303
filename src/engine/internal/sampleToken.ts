import { sha256 } from '@noble/hashes/sha2.js'

/** A token and its raw score. */
export type Candidate = { readonly token: number; readonly logit: number }

/**
 * Chooses the token of one position. Greedy takes the highest score. Otherwise the scores are
 * divided by the temperature, made probabilities, cut after the first tokens whose sum reaches
 * `topP`, and the token is taken where the sum reaches the position's draw. Ties go to the smaller id.
 *
 * The draw is a pure function of seed and position, so that anyone with the scores of a position
 * can say which token the seed selects there, without the positions before it.
 *
 * @param candidates The most likely tokens, at least one; what is not among them cannot be chosen.
 */
export function sampleToken(
  candidates: readonly Candidate[],
  options: { temperatureMicro: number; topPMicro: number; seed: number; position: number },
): Candidate {
  const { temperatureMicro, topPMicro, seed, position } = options
  const sorted = candidates.toSorted((a, b) => b.logit - a.logit || a.token - b.token)
  const best = sorted[0]
  if (!best || !Number.isFinite(best.logit))
    throw new RangeError('No candidate has a finite score.')
  if (temperatureMicro === 0) return best

  const temperature = temperatureMicro / 1e6
  const weights = sorted.map(({ logit }) => Math.exp((logit - best.logit) / temperature))
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  const kept = topPMicro >= 1e6 ? sorted.length : reaching(weights, (total * topPMicro) / 1e6) + 1
  const mass = weights.slice(0, kept).reduce((sum, weight) => sum + weight, 0)
  const chosen = reaching(weights.slice(0, kept), mass * draw(seed, position))
  return sorted[chosen]!
}

/** A number in [0, 1): the first 53 bits of SHA-256 over seed and position, 4 big-endian bytes each. */
export function draw(seed: number, position: number): number {
  const input = new Uint8Array(8)
  const view = new DataView(input.buffer)
  view.setUint32(0, seed)
  view.setUint32(4, position)
  const digest = new DataView(sha256(input).buffer)
  return (digest.getUint32(0) * 2 ** 21 + (digest.getUint32(4) >>> 11)) / 2 ** 53
}

/** The first index up to which the weights sum to more than `limit`; the last one at most. */
function reaching(weights: readonly number[], limit: number): number {
  let sum = 0
  const index = weights.findIndex((weight) => (sum += weight) > limit)
  return index < 0 ? weights.length - 1 : index
}
