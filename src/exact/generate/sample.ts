import { BaseError } from '../../runtime/Errors.ts'
import { samplingStream } from '../data.ts'
import { philoxWord } from '../philox.ts'

/**
 * Draws a token, in whole numbers only, so that it is the same everywhere: of the tokens, most likely
 * first and lower ids first among equals, the first `topK`, and of those as many as it takes to reach
 * `topP` of their chances; then one by 64 bits of Philox for the position.
 *
 * @param weights a whole number below 2^32 for each token: its chance times any constant.
 * @throws {SampleError} when no token has a chance, as when the logits are NaN.
 */
export function sample(
  weights: Uint32Array,
  { seed, position, ...options }: sample.Options,
): number {
  const { topK = weights.length, topP = 1 } = options
  const candidates = [...weights.keys()]
    .filter((token) => weights[token]! > 0)
    .toSorted((a, b) => weights[b]! - weights[a]! || a - b)
    .slice(0, Math.max(1, topK))
  if (candidates.length === 0)
    throw new SampleError('No token has a chance: the logits are not numbers.')
  const kept = nucleus(candidates, weights, topP)
  const draw = { seed, stream: samplingStream, step: position }
  const random = (BigInt(philoxWord(draw, 0)) << 32n) | BigInt(philoxWord(draw, 1))
  let rest = (random * totalOf(kept, weights)) >> 64n
  for (const token of kept) {
    rest -= BigInt(weights[token]!)
    if (rest < 0n) return token
  }
  throw new SampleError('The chances do not add up to their sum.')
}

export declare namespace sample {
  type Options = {
    seed: readonly [number, number]
    /** The place in the text that the token is for. */
    position: number
    topK?: number | undefined
    /** From 0 to 1; taken as a whole number of 2^-24. */
    topP?: number | undefined
  }
}

/** The most likely token, the lowest id among equals; NaN is never the most likely. */
export function greedy(logits: Float32Array): number {
  const best = logits.reduce(
    (found, logit, token) => (logit > (logits[found] ?? Number.NaN) ? token : found),
    logits.findIndex((logit) => !Number.isNaN(logit)),
  )
  if (best < 0) throw new SampleError('No token has a chance: the logits are not numbers.')
  return best
}

function nucleus(
  candidates: readonly number[],
  weights: Uint32Array,
  topP: number,
): readonly number[] {
  const share = BigInt(Math.floor(Math.min(Math.max(topP, 0), 1) * 2 ** 24))
  const enough = totalOf(candidates, weights) * share
  let sum = 0n
  const reached = candidates.findIndex((token) => {
    sum += BigInt(weights[token]!)
    return sum << 24n >= enough
  })
  return candidates.slice(0, reached + 1)
}

function totalOf(tokens: readonly number[], weights: Uint32Array): bigint {
  return tokens.reduce((sum, token) => sum + BigInt(weights[token]!), 0n)
}

/** Thrown when no token can be drawn. */
export class SampleError extends BaseError {
  override readonly code = 'Exact.SampleError'

  constructor(shortMessage: string) {
    super(shortMessage)
  }
}
