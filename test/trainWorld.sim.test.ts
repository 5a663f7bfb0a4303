import { afterAll, beforeAll, describe, test } from 'vitest'
import { startWasm } from '../src/exact/index.ts'
import { runTurmoil, turmoilOf } from './trainWorld.ts'
import { startWorkshop, type Workshop } from './trainingWorld.ts'

const seeds = Number(process.env['WEFT_TRAINING_SEEDS'] ?? 24)
const only = process.env['WEFT_TRAINING_SEED']
const stack = new AsyncDisposableStack()
let workshop: Workshop

beforeAll(async () => {
  const backend = stack.use(await startWasm({ threads: 1 }))
  workshop = stack.use(await startWorkshop(backend))
})
afterAll(() => stack.disposeAsync())

describe('runTurmoil', () => {
  const all = Array.from({ length: seeds }, (_, index) => index + 1)
  test.each(only === undefined ? all : [Number(only)])(
    'seed %i: all honest nodes come to the same log, model and pay',
    async (seed) => {
      try {
        await runTurmoil(turmoilOf(seed), workshop)
      } catch (cause) {
        const reason = cause instanceof Error ? cause.message : String(cause)
        throw new Error(
          `${reason}\nReplay: WEFT_TRAINING_SEED=${seed} npx vitest run test/trainWorld.sim.test.ts`,
          { cause },
        )
      }
    },
    300_000,
  )
})
