import { loadavg } from 'node:os'
import type { Bench, Figures } from './Bench.ts'
import { decoding } from './exact/decoding.ts'
import { products } from './exact/products.ts'
import { shares } from './exact/shares.ts'
import { startEngines } from './exact/startEngines.ts'
import { largeSteps, steps } from './exact/steps.ts'
import { judge } from './exact/targets.ts'

/** Each part starts its own processes, so that none sits in memory while another is timed. */
const parts = { products, steps, largeSteps, shares, decoding } as const

/**
 * The exact engine against ordinary ones, all in turns in one run. The peers are installed in
 * `bench/peers` when they are not there.
 */
export const bench: Bench = {
  description: 'the exact engine against OpenBLAS, onnxruntime, tfjs and jax-js',
  sections: Object.keys(parts),
  async run({ say, only }) {
    const figures: Record<string, number> = {}
    for (const [name, part] of Object.entries(parts)) {
      if (only && !only.includes(name)) continue
      say(`\n## ${name}; load ${loadavg()[0]!.toFixed(1)}\n`)
      Object.assign(figures, await part({ say, startEngines }))
    }
    for (const line of judge(figures)) say(line)
    return figures
  },
}

/** A part of the bench. */
export type Part = (ports: {
  readonly say: (text: string) => void
  readonly startEngines: typeof startEngines
}) => Promise<Figures>
