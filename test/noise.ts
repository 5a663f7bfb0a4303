import { philoxWord } from '../src/exact/philox.ts'

/** Numbers of both signs over some binary orders, the same each time. */
export function noise(length: number, seed: number): Float32Array {
  return Float32Array.from({ length }, (_, index) => {
    const word = philoxWord({ seed: [seed, 7], step: 0, stream: 0 }, index)
    return (((word >>> 8) - 2 ** 23) / 2 ** 23) * 2 ** -((word & 7) + 6)
  })
}
