/** What a training step holds in memory, against what it cannot do without. */
import { describe, expect, test } from 'vitest'
import { memoryNeed } from '../bench/exact/memoryNeed.ts'
import { modelOf, parametersOf, trainingGraphOf } from '../bench/exact/models.ts'
import * as Graph from '../src/exact/Graph.ts'
import * as Ops from '../src/exact/ops.ts'
import { contract, input, reshape } from '../src/exact/Tensor.ts'
import { startWasm } from '../src/exact/wasm/startWasm.ts'

describe('memoryNeed', () => {
  test('adds up what is alive at once', () => {
    const weights = input('state', 'w', 'f32', [10, 10])
    const x = input('batch', 'x', 'f32', [2, 10])
    const hidden = reshape(contract(x, weights), [20])
    const [a, b] = [Ops.exp(hidden), Ops.tanh(hidden)]
    const graph = Graph.from({
      state: [[weights, Ops.scale(weights, 0.5)]],
      batch: [x],
      results: { y: Ops.sumAll(Ops.mul(a, b)) },
    })
    // The next weights stand over the old ones; at most a, b and what they are read from, or their product.
    expect(memoryNeed(graph)).toEqual({ state: 400, alive: 80 + 3 * 80 })
  })
})

describe('a step of 0.92 million parameters', () => {
  const graph = trainingGraphOf('1m', modelOf('1m'))
  const { state, alive } = memoryNeed(graph)

  test('has parameters and their moments as its state', () => {
    expect(parametersOf(modelOf('1m'))).toBe(918_656)
    expect(state / 4 / 918_656).toBeCloseTo(3, 1)
  })

  // Measured on one thread: 1.01, 0.80 and 0.89 times what the f32 graph needs.
  test.each(['f32', 'i8', 'i8x3'] as const)(
    'holds at most 1.5 times parameters, optimiser state and live activations in %s',
    async (profile) => {
      for (const threads of [1, 2]) {
        await using backend = await startWasm({ threads })
        const same = trainingGraphOf('1m', modelOf('1m', profile))
        await using executable = await backend.prepare(same)
        expect(executable.memoryBytes).toBeGreaterThan(state)
        expect(executable.memoryBytes / (state + alive)).toBeLessThan(1.5)
      }
    },
  )
})
