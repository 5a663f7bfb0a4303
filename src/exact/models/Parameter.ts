import * as Graph from '../Graph.ts'
import * as Ops from '../ops.ts'
import { write } from '../Program.ts'
import { input, map, philox, reshape, type Shape, type Tensor } from '../Tensor.ts'
import * as Transcendentals from '../transcendentals.ts'

/** A tensor of a model that is kept from step to step: weights, which training changes, and tables, which it does not. */
export type Parameter = {
  readonly slot: Tensor
  readonly initial: Initial
  readonly isTrained: boolean
}

/** How a parameter begins. */
export type Initial =
  | { readonly kind: 'normal'; readonly deviation: number }
  | { readonly kind: 'constant'; readonly value: number }
  /** Cosines or sines of position [rows] times frequency base^(-column / columns) [columns]. */
  | { readonly kind: 'rotary'; readonly of: 'cos' | 'sin'; readonly base: number }

/** A parameter that training changes. */
export function weights(name: string, shape: Shape, initial: Initial): Parameter {
  return { slot: input('state', name, 'f32', shape), initial, isTrained: true }
}

/** A parameter that stays as it begins. */
export function table(name: string, shape: Shape, initial: Initial): Parameter {
  return { slot: input('state', name, 'f32', shape), initial, isTrained: false }
}

/**
 * The graph whose next state is the first state of a model: normal numbers drawn by Philox from the
 * batch slot `seed` (u32[2]), two streams for each parameter in order. Initialisation is a graph like
 * any other, so that anyone can repeat it.
 */
export function initialisation(parameters: readonly Parameter[]): Graph.Graph {
  const seed = input('batch', 'seed', 'u32', [2])
  return Graph.from({
    batch: [seed],
    state: parameters.map(({ slot, initial }, index) => [
      slot,
      begin(initial, slot.shape, { seed, stream: 2 * index }),
    ]),
  })
}

function begin(
  initial: Initial,
  shape: Shape,
  { seed, stream }: { readonly seed: Tensor; readonly stream: number },
): Tensor {
  if (initial.kind === 'constant') return Ops.constant(initial.value, shape)
  if (initial.kind === 'rotary') return rotary(initial, shape)
  const words = [0, 1].map((each) => philox(seed, Ops.word(0), stream + each, shape))
  return map(normal(initial.deviation), words)
}

/** Box and Muller's transform of two random words. */
function normal(deviation: number) {
  return write(2, (w, first, second) => {
    const uniform = (x: typeof first) => w.mul(w.float(w.shru(x, w.bits(8))), w.f32(2 ** -24))
    // 1 - u lies from 2^-24 to 1, where the logarithm is finite.
    const logarithm = Transcendentals.log(w, w.sub(w.f32(1), uniform(first)))
    const radius = w.sqrt(w.mul(logarithm, w.f32(-2)))
    const angle = w.mul(uniform(second), w.f32(2 * Math.PI))
    return w.mul(w.mul(radius, Transcendentals.cos(w, angle)), w.f32(deviation))
  })
}

function rotary({ of, base }: Extract<Initial, { kind: 'rotary' }>, shape: Shape): Tensor {
  const [rows = 1, columns = 1] = shape
  const angle = write(3, (w, row, column, logOfBase) => {
    const part = w.mul(w.float(column), w.f32(-1 / columns))
    return w.mul(w.float(row), Transcendentals.exp(w, w.mul(part, logOfBase)))
  })
  const angles = map(angle, [
    reshape(Ops.iota(rows), [rows, 1]),
    Ops.iota(columns),
    Ops.log(Ops.constant(base)),
  ])
  return of === 'cos' ? Ops.cos(angles) : Ops.sin(angles)
}
