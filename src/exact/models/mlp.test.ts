import { describe, expect, test } from 'vitest'
import { bytesOfFloats, evaluate, floats } from '../../../test/exactDecoders.ts'
import * as Ops from '../ops.ts'
import { reference } from '../reference.ts'
import { input, reshape } from '../Tensor.ts'
import { drawParameters, startRun } from '../train/startRun.ts'
import { trainingGraph } from '../train/trainingGraph.ts'
import { mlp } from './mlp.ts'

const seed = [1, 1] as const
const points = [0, 0, 0, 1, 1, 0, 1, 1]

describe('mlp', () => {
  test('is matrix products, biases and activations', async () => {
    const { parameters, apply } = mlp({ sizes: [2, 3, 1], activation: 'tanh' })
    const x = input('batch', 'x', 'f32', [4, 2])
    const values = await drawParameters({ backend: reference }, { parameters, seed })
    const [found] = await evaluate([apply(x)], {
      batch: [[x, bytesOfFloats(points)]],
      state: parameters.map(({ slot }, index) => [slot, values[index]!]),
    })
    const [w1, b1, w2, b2] = values.map(floats)
    const expected = [0, 1, 2, 3].map((row) => {
      const hidden = [0, 1, 2].map((i) =>
        Math.tanh(
          w1![2 * i]! * points[2 * row]! + w1![2 * i + 1]! * points[2 * row + 1]! + b1![i]!,
        ),
      )
      return hidden.reduce((sum, h, i) => sum + h * w2![i]!, b2![0]!)
    })
    floats(found!).forEach((y, row) => expect(y).toBeCloseTo(expected[row]!, 5))
  })

  test.each(['silu', 'gelu', 'tanh', 'relu-squared'] as const)(
    'with %s learns the exclusive or',
    async (activation) => {
      const { parameters, apply } = mlp({ sizes: [2, 12, 1], activation })
      const x = input('batch', 'x', 'f32', [4, 2])
      const y = input('batch', 'y', 'f32', [4])
      const error = Ops.sub(reshape(apply(x), [4]), y)
      const graph = trainingGraph({
        parameters,
        batch: [x, y],
        loss: Ops.divideBy(Ops.sumOfSquaresAll(error), 4),
        optimiser: { kind: 'adamw', weightDecay: 0 },
        schedule: { rate: 0.05 },
      })
      await using run = await startRun({ backend: reference }, { graph, parameters, seed })
      const batch = [bytesOfFloats(points), bytesOfFloats([0, 1, 1, 0])]
      const losses = Array.from({ length: 150 }, () => run.step(batch).loss)
      expect(losses[0]).toBeGreaterThan(0.1)
      expect(losses.at(-1)).toBeLessThan(0.01)
    },
  )
})
