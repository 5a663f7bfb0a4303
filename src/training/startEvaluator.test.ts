import { describe, expect, test } from 'vitest'
import { tokensOf } from '../exact/data.ts'
import { decoderOf } from '../exact/models/decoderOf.ts'
import { reference } from '../exact/reference.ts'
import { build } from '../exact/train/Recipe.ts'
import { startRun } from '../exact/train/startRun.ts'
import { train } from '../exact/train/train.ts'
import { startEvaluator } from './startEvaluator.ts'

const recipe = {
  model: decoderOf({ layers: 1, width: 8, heads: 2, positions: 8, vocabulary: 128 }),
  rows: 2,
  length: 6,
  optimiser: { kind: 'adamw' },
  schedule: { rate: 0.02 },
} as const
const data = Uint8Array.from(tokensOf('the cat sat on the mat; '.repeat(10)))

describe('startEvaluator', () => {
  test('begins near the loss of guessing, falls as the model learns, and says the same twice', async () => {
    const { model, graph } = build(recipe)
    const seed = [1, 0] as const
    await using run = await startRun({ backend: reference }, { graph, ...model, seed })
    const options = { model, data, rows: 2, length: 6, batches: 2 }
    await using evaluator = await startEvaluator({ backend: reference }, options)
    const parameters = () => run.state().slice(0, model.parameters.length)
    const before = evaluator.loss(parameters())
    expect(before).toBeGreaterThan(Math.log(128) - 0.5)
    expect(evaluator.loss(parameters())).toBe(before)
    await train(run, { data, seed, steps: 20 })
    expect(evaluator.loss(parameters())).toBeLessThan(before - 0.5)
  })

  test('reads data that is just one row long', async () => {
    const { model } = build(recipe)
    await using run = await startRun(
      { backend: reference },
      { graph: build(recipe).graph, ...model, seed: [1, 0] },
    )
    const options = { model, data: data.subarray(0, 7), rows: 2, length: 6, batches: 1 }
    await using evaluator = await startEvaluator({ backend: reference }, options)
    expect(evaluator.loss(run.state().slice(0, model.parameters.length))).toBeGreaterThan(0)
  })
})
