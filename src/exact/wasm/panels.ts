import type { Compilation } from './Compilation.ts'

/**
 * What is multiplied. Panels hold words: an f32, two i16 or four i8 of neighbouring k. `i8` has a word
 * for each row in front of a panel of the left operand, with which its sums begin (see packing.ts).
 */
export type Kind = 'f32' | 'i16' | 'i8'

/** Words of k that are worked off before the next panels: a panel of the right operand stays in the nearest cache. */
export const blockWords = 1024
/** Rows of the left operand that are packed at once: they stay in the second cache. */
export const blockRows = 96

/** How many words of a kind hold `k` terms. */
export function wordsOf(kind: Kind, k: number): number {
  return Math.ceil(k / terms[kind])
}

export function tileOf({ kernels }: Compilation, kind: Kind) {
  return kind === 'f32' ? kernels.tile : kernels.integerTile
}

/** How many terms a word of a kind holds. */
export const terms: Readonly<Record<Kind, number>> = { f32: 1, i16: 2, i8: 4 }
