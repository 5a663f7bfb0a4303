import type { Profile } from '../ops.ts'
import { type Decoder, DecoderError } from './decoder.ts'

/**
 * A decoder's sizes from those that are given: small, over bytes, with common proportions for the rest.
 *
 * @param options.profile how all products with weights are computed.
 * @throws {DecoderError} when the width cannot be split among the heads.
 *
 * @example
 * ```ts
 * const model = decoder(decoderOf({ layers: 4, width: 256, heads: 8, profile: 'i8' }))
 * ```
 */
export function decoderOf({ profile = 'f32', ...given }: decoderOf.Options = {}): Decoder {
  const { width = 128, heads = 4, headSize = width / heads } = given
  if (!Number.isInteger(headSize))
    throw new DecoderError(
      `A width of ${width} cannot be split among ${heads} heads: choose a multiple, or give headSize.`,
    )
  return {
    vocabulary: 256,
    layers: 2,
    keyHeads: heads,
    // What three matrices of a gated layer need to weigh as much as two of four times the width.
    hidden: Math.ceil((width * 8) / 3 / 32) * 32,
    feedForward: 'swiglu',
    positions: 128,
    rotaryBase: 10_000,
    epsilon: 1e-5,
    isTied: true,
    profiles: { attention: profile, feedForward: profile, head: profile },
    ...given,
    width,
    heads,
    headSize,
  }
}

export declare namespace decoderOf {
  type Options = Partial<Decoder> & { readonly profile?: Profile | undefined }
}
