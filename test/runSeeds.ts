import { describe, expect, test } from 'vitest'
import { scenario } from './scenario.ts'
import { runWorld } from './world.ts'

const seeds = Number(process.env['WEFT_SEEDS'] ?? 300)
const only = process.env['WEFT_SEED']
const batchSize = 25

/** Seeds that one test file runs: files run beside each other. */
export function describeSeeds({ part, parts }: { part: number; parts: number }): void {
  const mine =
    only === undefined
      ? Array.from({ length: seeds }, (_, index) => index + 1).filter((s) => s % parts === part)
      : [Number(only)].filter((s) => s % parts === part)
  const batches = Array.from({ length: Math.ceil(mine.length / batchSize) }, (_, index) =>
    mine.slice(index * batchSize, (index + 1) * batchSize),
  )
  describe.skipIf(mine.length === 0)('runWorld', () => {
    test.each(batches.map((batch) => [batch[0], batch.at(-1), batch] as const))(
      'holds its invariants from seed %i to %i',
      async (_first, _last, batch) => {
        for (const seed of batch) await runSeed(seed)
      },
      600_000,
    )
  })
}

/** Runs one seed; what goes wrong says how to see it again. */
async function runSeed(seed: number): Promise<void> {
  try {
    const { events } = await runWorld(scenario(seed))
    expect(events).toBeGreaterThan(100)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Error(`Seed ${seed}: ${reason}\nReplay: WEFT_SEED=${seed} npm run test:sim`, {
      cause,
    })
  }
}
