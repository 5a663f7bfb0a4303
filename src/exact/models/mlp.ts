import * as Ops from '../ops.ts'
import type { Tensor } from '../Tensor.ts'
import * as Parameter from './Parameter.ts'

/**
 * A multi-layer perceptron: linear layers with biases, an activation between them.
 *
 * @example
 * ```ts
 * const { parameters, apply } = mlp({ sizes: [784, 128, 10], activation: 'silu' })
 * ```
 */
export function mlp({ sizes, activation, profile = 'f32' }: mlp.Options): mlp.Model {
  const layers = sizes.slice(1).map((size, index) => {
    const width = sizes[index]!
    const deviation = 1 / Math.sqrt(width)
    return {
      weight: Parameter.weights(`layers.${index}.weight`, [size, width], {
        kind: 'normal',
        deviation,
      }),
      bias: Parameter.weights(`layers.${index}.bias`, [size], { kind: 'constant', value: 0 }),
    }
  })
  return {
    parameters: layers.flatMap(({ weight, bias }) => [weight, bias]),
    apply: (x) =>
      layers.reduce((hidden, { weight, bias }, index) => {
        const y = Ops.add(Ops.linear(hidden, weight.slot, profile), bias.slot)
        return index === layers.length - 1 ? y : activations[activation](y)
      }, x),
  }
}

export declare namespace mlp {
  type Options = {
    /** The width of the input, of each layer between, and of the output. */
    sizes: readonly number[]
    activation: keyof typeof activations
    profile?: Ops.Profile | undefined
  }
  type Model = {
    parameters: readonly Parameter.Parameter[]
    /** From [..., first size] to [..., last size]. */
    apply: (x: Tensor) => Tensor
  }
}

const activations = {
  silu: Ops.silu,
  gelu: Ops.gelu,
  tanh: Ops.tanh,
  'relu-squared': Ops.reluSquared,
} as const
