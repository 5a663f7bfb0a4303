/**
 * Philox4x32-10: four random words for a counter and a key, by ten rounds of multiplication
 * (Salmon, Moraes, Dror and Shaw, Parallel random numbers: as easy as 1, 2, 3, 2011).
 *
 * @param counter four 32-bit words.
 * @param key two 32-bit words.
 *
 * @example
 * ```ts
 * philox([0, 0, 0, 0], [0, 0]) // [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]
 * ```
 */
export function philox(counter: Words4, key: readonly [k0: number, k1: number]): Words4 {
  let [c0, c1, c2, c3] = counter
  let [k0, k1] = key
  for (let round = 0; round < 10; round++) {
    const high0 = highOfProduct(c0, 0xd251_1f53)
    const high1 = highOfProduct(c2, 0xcd9e_8d57)
    const low0 = Math.imul(c0, 0xd251_1f53)
    const low1 = Math.imul(c2, 0xcd9e_8d57)
    c0 = (high1 ^ c1 ^ k0) >>> 0
    c1 = low1 >>> 0
    c2 = (high0 ^ c3 ^ k1) >>> 0
    c3 = low0 >>> 0
    k0 = (k0 + 0x9e37_79b9) >>> 0
    k1 = (k1 + 0xbb67_ae85) >>> 0
  }
  return [c0, c1, c2, c3]
}

/**
 * Random word number `element` of a stream, as the op `philox` gives it: the counter is
 * (element / 4, step, stream, 0) and the element takes one word of the four.
 */
export function philoxWord({ seed, stream, step }: Draw, element: number): number {
  const counter = [element >>> 2, step >>> 0, stream >>> 0, 0] as const
  return philox(counter, [seed[0] >>> 0, seed[1] >>> 0])[element & 3]!
}

/** Which random numbers: a seed of two words, a stream for each purpose, a step. */
export type Draw = {
  readonly seed: readonly [number, number]
  readonly stream: number
  readonly step: number
}

export type Words4 = readonly [number, number, number, number]

/** The upper 32 bits of a 64-bit product, from products of 16 bits by 32 that f64 holds exactly. */
function highOfProduct(a: number, b: number): number {
  const low = (a & 0xffff) * b
  const high = (a >>> 16) * b
  return Math.floor((high + Math.floor(low / 0x1_0000)) / 0x1_0000)
}
