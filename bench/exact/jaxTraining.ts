import { type Array as JaxArray, init, jit, nn, numpy as np, valueAndGrad } from '@jax-js/jax'
import type { Decoder } from '../../src/exact/models/decoder.ts'
import type { Parameter } from '../../src/exact/models/Parameter.ts'
import { type Engine, plainLoss } from './plainDecoder.ts'

/** Trains a decoder with jax-js, on its WebAssembly back end; gives the loss of each step. */
export type JaxTraining = { readonly step: (tokens: Uint32Array) => number }

/** What is the same for all engines that train. */
export type TrainingOptions = {
  readonly config: Decoder
  readonly parameters: readonly Parameter[]
  /** The first weights, in order. */
  readonly first: readonly Uint8Array[]
  readonly rows: number
  /** Tokens of a row that are read; the batch has one more. */
  readonly length: number
  readonly optimiser: AdamW
}

export type AdamW = {
  readonly rate: number
  readonly beta1: number
  readonly beta2: number
  readonly epsilon: number
  readonly weightDecay: number
  readonly clipNorm: number
}

export async function startJaxTraining(options: TrainingOptions): Promise<JaxTraining> {
  await init('wasm')
  const { parameters, first, rows, length } = options
  const arrays = parameters.map(({ slot }, index) =>
    np.array(new Float32Array(first[index]!.slice().buffer)).reshape([...slot.shape]),
  )
  const isTrained = (index: number) => parameters[index]!.isTrained
  let weights = arrays.filter((_, index) => isTrained(index))
  const tables = arrays
    .filter((_, index) => !isTrained(index))
    .map((table) => np.split(table, [length])[0]!)
  let moments = weights.flatMap(({ shape }) => [np.zeros(shape), np.zeros(shape)])
  let steps = 0
  const step = jit(stepOf(options))
  return {
    step(tokens) {
      const columns = [0, 1].map((offset) => {
        const part = Int32Array.from({ length: rows * length }, (_, at) => {
          const [row, column] = [Math.floor(at / length), at % length]
          return tokens[row * (length + 1) + column + offset]!
        })
        return np.array(part).reshape([rows, length])
      })
      steps += 1
      const corrections = np.array(
        [options.optimiser.beta1, options.optimiser.beta2].map((beta) => 1 / (1 - beta ** steps)),
      )
      const constant = tables.map((table) => table.ref)
      const [loss, next, moved] = step(weights, moments, constant, columns, corrections)
      weights = next
      moments = moved
      return loss.item()
    },
  }
}

type State = [loss: JaxArray, weights: JaxArray[], moments: JaxArray[]]

/** One step as a function that can be compiled: while it is traced, values need not be given back. */
function stepOf({ config, parameters, length, optimiser }: TrainingOptions) {
  const trained = parameters.filter((each) => each.isTrained)
  const nameOf = ({ slot: { op } }: Parameter) => (op.kind === 'state' ? op.name : '')
  const names = [...trained, ...parameters.filter((each) => !each.isTrained)].map(nameOf)
  const { rate, beta1, beta2, epsilon, weightDecay, clipNorm } = optimiser
  const loss = (weights: JaxArray[], tables: JaxArray[], tokens: JaxArray[]) => {
    const all = [...weights, ...tables]
    return plainLoss(engine, config, {
      weights: (name) => all[names.indexOf(name)]!,
      inputs: tokens[0]!,
      labels: tokens[1]!,
      mask: np.tri(length).astype(np.bool),
    })
  }
  return (
    weights: JaxArray[],
    moments: JaxArray[],
    tables: JaxArray[],
    tokens: JaxArray[],
    corrections: JaxArray,
  ): State => {
    const [value, slopes] = valueAndGrad(loss)(
      weights.map(again),
      tables.map(again),
      tokens.map(again),
    ) as unknown as [JaxArray, JaxArray[]]
    const norm = np.sqrt(
      slopes.map((slope) => np.square(slope.ref).sum()).reduce((a, b) => a.add(b)),
    )
    const factor = np.minimum(1, np.trueDivide(clipNorm, norm))
    const [first, second] = np.split(corrections, 2).map((each) => each.reshape([]))
    const next: JaxArray[] = []
    const moved: JaxArray[] = []
    trained.forEach(({ slot }, index) => {
      const slope = slopes[index]!.mul(factor.ref)
      const m = moments[2 * index]!.mul(beta1).add(slope.ref.mul(1 - beta1))
      const v = moments[2 * index + 1]!.mul(beta2).add(np.square(slope).mul(1 - beta2))
      const size = np.sqrt(v.ref.mul(second!.ref)).add(epsilon)
      const decay = slot.shape.length > 1 ? weightDecay : 0
      const weight = weights[index]!
      const move = m.ref.mul(first!.ref).div(size).add(weight.ref.mul(decay))
      next.push(weight.sub(move.mul(rate)))
      moved.push(m, v)
    })
    return [value, next, moved]
  }
}

const again = (x: JaxArray) => x.ref

const engine: Engine<JaxArray> = {
  shapeOf: ({ shape }) => shape,
  reshape: (x, shape) => x.ref.reshape([...shape]),
  transpose: (x, permutation) => x.ref.transpose([...permutation]),
  matmul: (a, b, transposeB = false) =>
    np.matmul(a.ref, transposeB ? np.matrixTranspose(b.ref) : b.ref),
  gather: (table, indices) => np.take(table.ref, indices.ref, 0),
  add: (a, b) => a.ref.add(b.ref),
  sub: (a, b) => a.ref.sub(b.ref),
  mul: (a, b) => a.ref.mul(b.ref),
  scale: (x, factor) => x.ref.mul(factor),
  shift: (x, term) => x.ref.add(term),
  rsqrt: (x) => np.reciprocal(np.sqrt(x.ref)),
  silu: (x) => nn.silu(x.ref),
  masked: (mask, x, otherwise) => np.where(mask.ref, x.ref, otherwise),
  meanSquare: (x) => np.square(x.ref).mean(-1, { keepdims: true }),
  softmax: (x) => nn.softmax(x.ref, -1),
  logSoftmax: (x) => nn.logSoftmax(x.ref, -1),
  slice: (x, begin, end) =>
    np.split(
      x.ref,
      [begin, end].filter((at) => at > 0),
      -1,
    )[begin > 0 ? 1 : 0]!,
  concat: (parts) => np.concatenate(parts.map(again), -1),
  meanAt: (x, labels) => {
    const chosen = nn.oneHot(labels.ref, x.shape[1]!)
    return x.ref.mul(chosen).sum().div(x.shape[0]!)
  },
}
