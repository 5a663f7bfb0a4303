import type { Figures } from '../Bench.ts'

/** What the engine is to reach: at least, or at most. */
const targets: readonly (readonly [name: string, bound: 'least' | 'most', value: number])[] = [
  ['matmul1024RatioDefault', 'least', 0.3],
  ['matmul1024RatioRevectorize', 'least', 0.48],
  ['matmul1024RatioToBestJs', 'least', 1],
  ['i8OpsRatioToOrtNative', 'least', 1],
  ['step1m ratio to ort web', 'most', 1],
  ['step1m ratio to tfjs wasm', 'most', 1],
  ['step1m ratio to jax-js', 'most', 1],
  ['step15mRatioToOrtNative', 'most', 1.3],
  ['matmulShare', 'least', 0.7],
  ['commitShare', 'most', 0.08],
  ['memoryRatio', 'most', 1.5],
  ['decodeRatioToLlamaCpp', 'least', 0.5],
]

/** A line for each target that was measured: whether it is met. */
export function judge(figures: Figures): readonly string[] {
  return targets.flatMap(([name, bound, value]) => {
    const found = figures[name]
    if (found === undefined) return []
    const isMet = bound === 'least' ? found >= value : found <= value
    return [`${isMet ? 'met   ' : 'MISSED'}  ${name} ${found.toFixed(3)}, at ${bound} ${value}`]
  })
}
