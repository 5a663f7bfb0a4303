import type { TrainingOptions } from '../exact/jaxTraining.ts'
import { type Engine, plainLoss } from '../exact/plainDecoder.ts'
import type { Tensor, Tf } from './Tf.ts'

/** Trains a decoder with tfjs; gives the loss of each step. */
export function startTfjsTraining(
  tf: Tf,
  { config, parameters, first, rows, length, optimiser }: TrainingOptions,
): { readonly step: (tokens: Uint32Array) => number } {
  const trained = parameters.filter(({ isTrained }) => isTrained)
  const names = parameters.map(({ slot: { op } }) => (op.kind === 'state' ? op.name : ''))
  const arrays = parameters.map(({ slot }, index) => {
    const floats = new Float32Array(first[index]!.slice().buffer)
    const table = tf.tensor(floats, slot.shape)
    return parameters[index]!.isTrained ? table : tf.slice(table, [0, 0], [length, slot.shape[1]!])
  })
  const places = parameters.flatMap(({ isTrained }, index) => (isTrained ? [index] : []))
  let moments = trained.flatMap(({ slot }) => [tf.zeros(slot.shape), tf.zeros(slot.shape)])
  const lower = Float32Array.from({ length: length ** 2 }, (_, at) =>
    at % length <= Math.floor(at / length) ? 1 : 0,
  )
  const mask = tf.cast(tf.tensor(lower, [length, length]), 'bool')
  const engine = engineOf(tf)
  const { rate, beta1, beta2, epsilon, weightDecay, clipNorm } = optimiser
  let steps = 0

  const lossOf = (tokens: Uint32Array) => {
    const [inputs, labels] = [0, 1].map((offset) => {
      const part = Int32Array.from({ length: rows * length }, (_, at) => {
        const [row, column] = [Math.floor(at / length), at % length]
        return tokens[row * (length + 1) + column + offset]!
      })
      return tf.tensor(part, [rows, length], 'int32')
    })
    return (...weights: readonly Tensor[]) =>
      plainLoss(engine, config, {
        weights: (name) => {
          const index = names.indexOf(name)
          return weights[places.indexOf(index)] ?? arrays[index]!
        },
        inputs: inputs!,
        labels: labels!,
        mask,
      })
  }
  const moved = (slopes: readonly Tensor[]) => {
    const norm = tf.sqrt(
      slopes.map((slope) => tf.sum(tf.square(slope))).reduce((a, b) => tf.add(a, b)),
    )
    const factor = tf.minimum(1, tf.div(clipNorm, norm))
    return trained.map(({ slot }, index) => {
      const slope = tf.mul(slopes[index]!, factor)
      const m = tf.add(tf.mul(moments[2 * index]!, beta1), tf.mul(slope, 1 - beta1))
      const v = tf.add(tf.mul(moments[2 * index + 1]!, beta2), tf.mul(tf.square(slope), 1 - beta2))
      const size = tf.add(tf.sqrt(tf.mul(v, 1 / (1 - beta2 ** steps))), epsilon)
      const weight = arrays[places[index]!]!
      const direction = tf.div(tf.mul(m, 1 / (1 - beta1 ** steps)), size)
      const decay = slot.shape.length > 1 ? weightDecay : 0
      const whole = decay > 0 ? tf.add(direction, tf.mul(weight, decay)) : direction
      return [tf.sub(weight, tf.mul(whole, rate)), m, v] as const
    })
  }
  return {
    step(tokens) {
      steps += 1
      return tf.tidy(() => {
        const weights = places.map((index) => arrays[index]!)
        const { value, grads } = tf.valueAndGrads(lossOf(tokens))(weights)
        const next = moved(grads)
        for (const old of [...weights, ...moments]) old.dispose()
        next.forEach(([weight], index) => (arrays[places[index]!] = tf.keep(weight)))
        moments = next.flatMap(([, m, v]) => [tf.keep(m), tf.keep(v)])
        return value.dataSync()[0]!
      })
    },
  }
}

function engineOf(tf: Tf): Engine<Tensor> {
  return {
    shapeOf: ({ shape }) => shape,
    reshape: (x, shape) => tf.reshape(x, shape),
    transpose: (x, permutation) => tf.transpose(x, permutation),
    matmul: (a, b, transposeB = false) => tf.matMul(a, b, false, transposeB),
    // The gradient of tfjs's own gather is not there in WebAssembly.
    gather: (table, indices) => {
      const rows = indices.shape.reduce((product, size) => product * size, 1)
      const [classes = 1, width = 1] = table.shape
      const chosen = tf.oneHot(tf.reshape(indices, [rows]), classes)
      return tf.reshape(tf.matMul(tf.cast(chosen, 'float32'), table), [...indices.shape, width])
    },
    add: (a, b) => tf.add(a, b),
    sub: (a, b) => tf.sub(a, b),
    mul: (a, b) => tf.mul(a, b),
    scale: (x, factor) => tf.mul(x, factor),
    shift: (x, term) => tf.add(x, term),
    rsqrt: (x) => tf.rsqrt(x),
    silu: (x) => tf.mul(x, tf.sigmoid(x)),
    masked: (mask, x, otherwise) => tf.where(mask, x, tf.tensor([otherwise], [1])),
    meanSquare: (x) => tf.mean(tf.square(x), -1, true),
    softmax: (x) => tf.softmax(x),
    logSoftmax: (x) => tf.logSoftmax(x),
    slice: (x, begin, end) => {
      const last = x.shape.length - 1
      return tf.slice(
        x,
        x.shape.map((_, axis) => (axis === last ? begin : 0)),
        [...x.shape.slice(0, -1), end - begin],
      )
    },
    concat: (parts) => tf.concat(parts, -1),
    meanAt: (x, labels) => {
      const chosen = tf.cast(tf.oneHot(labels, x.shape[1]!), 'float32')
      return tf.div(tf.sum(tf.mul(x, chosen)), x.shape[0]!)
    },
  }
}
