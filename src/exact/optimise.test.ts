import { describe, expect, test } from 'vitest'
import { bytesOfFloats, floats } from '../../test/exactDecoders.ts'
import * as Graph from './Graph.ts'
import * as Parameter from './models/Parameter.ts'
import { type Optimiser, optimise, type Schedule } from './optimise.ts'
import { reference } from './reference.ts'
import { input } from './Tensor.ts'

const start = [0.5, -1, 2, 0.25]
const slopes = [
  [0.1, -0.2, 0.3, 0],
  [0.4, 0.1, -0.5, 1e-3],
  [-0.2, 0.3, 0.1, 2],
]

describe('optimise', () => {
  test('adamw follows Adam with bias correction and decoupled decay', async () => {
    const options = { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0.1 }
    const found = await follow({ kind: 'adamw', ...options }, { rate: 0.05 })
    const [m, v, x] = [start.map(() => 0), start.map(() => 0), [...start]]
    slopes.forEach((slope, step) =>
      slope.forEach((g, i) => {
        m[i] = 0.9 * m[i]! + 0.1 * g
        v[i] = 0.99 * v[i]! + 0.01 * g * g
        const [first, second] = [m[i]! / (1 - 0.9 ** (step + 1)), v[i]! / (1 - 0.99 ** (step + 1))]
        x[i] = x[i]! * (1 - 0.05 * 0.1) - (0.05 * first) / (Math.sqrt(second) + 1e-8)
      }),
    )
    expectClose(found.weights, x)
  })

  test('sgd follows Nesterov momentum as PyTorch has it', async () => {
    const found = await follow({ kind: 'sgd', momentum: 0.9, weightDecay: 0.1 }, { rate: 0.05 })
    const [velocity, x] = [start.map(() => 0), [...start]]
    for (const slope of slopes)
      slope.forEach((slopeOf, i) => {
        const g = slopeOf + 0.1 * x[i]!
        velocity[i] = 0.9 * velocity[i]! + g
        x[i] = x[i]! - 0.05 * (g + 0.9 * velocity[i]!)
      })
    expectClose(found.weights, x)
  })

  test('gains and biases do not decay', async () => {
    const decaying = { kind: 'adamw', weightDecay: 0.5 } as const
    const still = { kind: 'adamw', weightDecay: 0 } as const
    const [found, expected] = [
      await follow(decaying, { rate: 0.1 }, { shape: [4] }),
      await follow(still, { rate: 0.1 }, { shape: [4] }),
    ]
    expect(found.weights).toEqual(expected.weights)
  })

  test('clips by the norm of all gradients together, and reports the norm before', async () => {
    const optimiser = { kind: 'sgd', momentum: 0 } as const
    const found = await follow(optimiser, { rate: 1 }, { clipNorm: 0.1, steps: 1 })
    const norm = Math.hypot(...slopes[0]!)
    expect(found.norms[0]).toBeCloseTo(norm, 6)
    expectClose(
      found.weights,
      start.map((x, i) => x - (0.1 / norm) * slopes[0]![i]!),
    )
  })

  test('leaves gradients below the norm as they are, to the bit', async () => {
    const optimiser = { kind: 'adamw' } as const
    const found = await follow(optimiser, { rate: 0.1 }, { clipNorm: 100 })
    expect(found.weights).toEqual((await follow(optimiser, { rate: 0.1 })).weights)
  })

  test('warms up in a line and falls along half a cosine to the floor', async () => {
    const schedule = { rate: 1, warmupSteps: 2, decay: { steps: 6, floor: 0.1 } }
    const { rates } = await follow({ kind: 'sgd', momentum: 0 }, schedule, { steps: 9 })
    const cosine = (done: number) => 0.1 + 0.9 * (0.5 + 0.5 * Math.cos((Math.PI * done) / 4))
    expectClose(rates, [0.5, 1, 1, cosine(1), cosine(2), cosine(3), 0.1, 0.1, 0.1])
  })

  test('a constant rate stays', async () => {
    const { rates } = await follow({ kind: 'sgd', momentum: 0 }, { rate: 0.25 })
    expect(rates).toEqual([0.25, 0.25, 0.25])
  })

  test('parameters that are not trained stay as they are', () => {
    const fixed = Parameter.table('fixed', [4], { kind: 'constant', value: 1 })
    const { state } = optimise({
      parameters: [fixed, weights([4])],
      gradients: [input('batch', 'gradient', 'f32', [4])],
      optimiser: { kind: 'sgd', momentum: 0 },
      schedule: { rate: 1 },
    })
    expect(state[0]).toEqual([fixed.slot, fixed.slot])
  })

  test('refuses gradients that are not one for each trained parameter', () => {
    const options = { optimiser: { kind: 'adamw' }, schedule: { rate: 1 } } as const
    expect(() => optimise({ parameters: [weights([4])], gradients: [], ...options })).toThrow(
      '0 gradients for 1 parameters',
    )
  })
})

function weights(shape: readonly number[]) {
  return Parameter.weights('x', shape, { kind: 'constant', value: 0 })
}

async function follow(
  optimiser: Optimiser,
  schedule: Schedule,
  { steps = slopes.length, shape = [2, 2], clipNorm }: Follow = {},
) {
  const parameters = [weights(shape)]
  const gradient = input('batch', 'gradient', 'f32', shape)
  const { state, gradientNorm, learningRate } = optimise({
    parameters,
    gradients: [gradient],
    optimiser,
    schedule,
    clipNorm,
  })
  const results = { gradientNorm, learningRate }
  await using run = await reference.prepare(Graph.from({ state, batch: [gradient], results }))
  run.writeState(0, bytesOfFloats(start))
  const reports = Array.from({ length: steps }, (_, step) =>
    run.step([bytesOfFloats(slopes[step % slopes.length]!)]).map((bytes) => floats(bytes)[0]!),
  )
  return {
    weights: floats(run.readState(0)),
    norms: reports.map(([norm]) => norm!),
    rates: reports.map(([, rate]) => rate!),
  }
}

type Follow = { steps?: number; shape?: readonly number[]; clipNorm?: number }

function expectClose(found: readonly number[], expected: readonly number[]): void {
  expect(found).toHaveLength(expected.length)
  found.forEach((value, index) => expect(value).toBeCloseTo(expected[index]!, 5))
}
