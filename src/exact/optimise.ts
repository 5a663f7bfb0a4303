import { GradientError } from './autodiff/differentiate.ts'
import type { Parameter } from './models/Parameter.ts'
import * as Ops from './ops.ts'
import { type Program, type Register, write, type Writer } from './Program.ts'
import { input, map, type Tensor } from './Tensor.ts'
import * as Transcendentals from './transcendentals.ts'

/**
 * How weights follow their gradients.
 *
 * `adamw`: Adam with decoupled weight decay (Loshchilov and Hutter, 2019). The moments are kept with
 * their bias corrected: m += (g - m) * (1 - beta) / (1 - beta^t), which is the same number and takes
 * one map. `sgd`: Nesterov momentum as PyTorch has it; the decay is added to the gradient. Both decay
 * matrices only, not gains and biases.
 */
export type Optimiser =
  | {
      readonly kind: 'adamw'
      readonly beta1?: number | undefined
      readonly beta2?: number | undefined
      readonly epsilon?: number | undefined
      readonly weightDecay?: number | undefined
    }
  | { readonly kind: 'sgd'; readonly momentum: number; readonly weightDecay?: number | undefined }

/**
 * The learning rate of each step, a part of the program: rises in a line over the warm-up, then stays,
 * or falls along half a cosine to `floor` times the rate at `steps`, and stays there.
 */
export type Schedule = {
  readonly rate: number
  readonly warmupSteps?: number | undefined
  readonly decay?: { readonly steps: number; readonly floor: number } | undefined
}

/**
 * The next values of weights, moments and the step counter.
 *
 * @param gradients one of each trained parameter, in order.
 * @param clipNorm where the norm of all gradients together is greater, all are scaled down to it.
 */
export function optimise({
  parameters,
  gradients,
  optimiser,
  schedule,
  clipNorm,
}: optimise.Options): optimise.Result {
  const trained = parameters.filter(({ isTrained }) => isTrained)
  if (trained.length !== gradients.length)
    throw new GradientError(`${gradients.length} gradients for ${trained.length} parameters`)
  const step = input('state', stepName, 'u32', [])
  const learningRate = map(rateOf(schedule), [step])
  const gradientNorm = Ops.sqrt(gradients.map(Ops.sumOfSquaresAll).reduce(Ops.add))
  const factor =
    clipNorm === undefined ? Ops.constant(1) : map(clipFactor(clipNorm), [gradientNorm])
  const shared = { step, learningRate, factor }
  const update = optimiser.kind === 'adamw' ? adamw(optimiser, shared) : sgd(optimiser, shared)
  const changed = new Map(
    trained.map(({ slot }, index) => [slot, update(slot, gradients[index]!)] as const),
  )
  const [kept, moments] = [
    parameters.map(({ slot }) => [slot, changed.get(slot)?.next ?? slot] as const),
    trained.flatMap(({ slot }) => changed.get(slot)!.moments),
  ]
  const counted = map(nextStep, [step], { dtype: 'u32' })
  return { state: [...kept, ...moments, [step, counted]], learningRate, gradientNorm }
}

export declare namespace optimise {
  type Options = {
    parameters: readonly Parameter[]
    gradients: readonly Tensor[]
    optimiser: Optimiser
    schedule: Schedule
    clipNorm?: number | undefined
  }
  type Result = {
    /** Each state slot with its next value: parameters in order, moments, the step counter. All but parameters begin as zeros. */
    state: readonly (readonly [slot: Tensor, next: Tensor])[]
    learningRate: Tensor
    /** Of all gradients, before clipping. */
    gradientNorm: Tensor
  }
}

/** The state slot that counts the steps done. */
export const stepName = 'step'

type Shared = { readonly step: Tensor; readonly learningRate: Tensor; readonly factor: Tensor }
type Update = (
  slot: Tensor,
  gradient: Tensor,
) => { readonly next: Tensor; readonly moments: readonly (readonly [Tensor, Tensor])[] }

function adamw(
  {
    beta1 = 0.9,
    beta2 = 0.999,
    epsilon = 1e-8,
    weightDecay = 0.01,
  }: Extract<Optimiser, { kind: 'adamw' }>,
  { step, learningRate, factor }: Shared,
): Update {
  const weight1 = map(momentWeight(beta1), [step])
  const weight2 = map(momentWeight(beta2), [step])
  const [decaying, still] = [adamStep(epsilon, weightDecay), adamStep(epsilon, 0)]
  return (slot, gradient) => {
    const [first, second] = momentsOf(slot, ['m', 'v'])
    const nextFirst = map(firstMoment, [first!, gradient, factor, weight1])
    const nextSecond = map(secondMoment, [second!, gradient, factor, weight2])
    const program = slot.shape.length > 1 ? decaying : still
    const next = map(program, [slot, nextFirst, nextSecond, learningRate])
    return {
      next,
      moments: [
        [first!, nextFirst],
        [second!, nextSecond],
      ],
    }
  }
}

function sgd(
  { momentum, weightDecay = 0 }: Extract<Optimiser, { kind: 'sgd' }>,
  { learningRate, factor }: Shared,
): Update {
  const carry = write(2, (w, velocity, g) => w.fma(velocity, w.f32(momentum), g))
  const move = write(4, (w, x, velocity, g, rate) =>
    w.fma(negated(w, rate), w.fma(velocity, w.f32(momentum), g), x),
  )
  return (slot, gradient) => {
    const [velocity] = momentsOf(slot, ['velocity'])
    const decay = slot.shape.length > 1 ? weightDecay : 0
    const whole = write(3, (w, x, g, clip) => w.fma(x, w.f32(decay), w.mul(g, clip)))
    const g = map(whole, [slot, gradient, factor])
    const nextVelocity = map(carry, [velocity!, g])
    const next = map(move, [slot, nextVelocity, g, learningRate])
    return { next, moments: [[velocity!, nextVelocity]] }
  }
}

function momentsOf(slot: Tensor, kinds: readonly string[]): readonly Tensor[] {
  const name = slot.op.kind === 'state' ? slot.op.name : ''
  return kinds.map((kind) => input('state', `${name}.${kind}`, 'f32', slot.shape))
}

const firstMoment = write(4, (w, m, g, clip, weight) => w.fma(w.sub(w.mul(g, clip), m), weight, m))
const secondMoment = write(4, (w, v, g, clip, weight) => {
  const clipped = w.mul(g, clip)
  return w.fma(w.fma(clipped, clipped, negated(w, v)), weight, v)
})

function adamStep(epsilon: number, weightDecay: number): Program {
  return write(4, (w, x, m, v, rate) => {
    // The clamp is for a rounding that would leave a square below zero.
    const size = w.add(w.sqrt(w.max(v, w.f32(0))), w.f32(epsilon))
    const direction = w.fma(x, w.f32(weightDecay), w.div(m, size))
    return w.fma(negated(w, rate), direction, x)
  })
}

/** (1 - beta) / (1 - beta^t), t one more than the steps done. */
function momentWeight(beta: number): Program {
  return write(1, (w, step) => {
    const t = w.add(w.float(step), w.f32(1))
    const exponent = w.max(w.mul(t, Transcendentals.log(w, w.f32(beta))), w.f32(-60))
    const rest = w.sub(w.f32(1), Transcendentals.exp(w, exponent))
    return w.min(w.div(w.sub(w.f32(1), w.f32(beta)), rest), w.f32(1))
  })
}

/** Where the norm is over the limit, limit / norm; else 1. A norm of NaN gives NaN. */
function clipFactor(limit: number): Program {
  return write(1, (w, norm) =>
    w.select(w.le(norm, w.f32(limit)), w.f32(1), w.div(w.f32(limit), norm)),
  )
}

function rateOf({ rate, warmupSteps = 0, decay }: Schedule): Program {
  return write(1, (w, step) => {
    const done = w.float(step)
    const peak = w.f32(rate)
    const after = decay ? cosine(w, done, { rate, warmupSteps, decay }) : peak
    if (warmupSteps === 0) return after
    const rising = w.mul(peak, w.div(w.add(done, w.f32(1)), w.f32(warmupSteps)))
    return w.select(w.lt(done, w.f32(warmupSteps)), rising, after)
  })
}

function cosine(
  w: Writer,
  done: Register,
  {
    rate,
    warmupSteps,
    decay: { steps, floor },
  }: Schedule & { readonly decay: NonNullable<Schedule['decay']> },
): Register {
  const length = w.f32(Math.max(1, steps - (warmupSteps ?? 0)))
  const gone = w.div(w.max(w.sub(done, w.f32(warmupSteps ?? 0)), w.f32(0)), length)
  const angle = w.mul(w.min(gone, w.f32(1)), w.f32(Math.PI))
  const part = w.fma(Transcendentals.cos(w, angle), w.f32(0.5), w.f32(0.5))
  return w.mul(w.f32(rate), w.fma(part, w.f32(1 - floor), w.f32(floor)))
}

const nextStep = write(1, (w, step) => w.iadd(step, w.bits(1)))

function negated(w: Writer, x: Register): Register {
  return w.mul(x, w.f32(-1))
}
