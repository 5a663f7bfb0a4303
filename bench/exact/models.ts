import { decoder, type Decoder, type Model } from '../../src/exact/models/decoder.ts'
import type { Graph } from '../../src/exact/Graph.ts'
import type { Profile } from '../../src/exact/ops.ts'
import { count } from '../../src/exact/Tensor.ts'
import { decoderTrainingGraph } from '../../src/exact/train/trainingGraph.ts'

/** The decoders that are trained, bytes as tokens, and how many rows of 128 a batch has. */
const sizes = {
  /** 0.92 million parameters. */
  '1m': { width: 128, layers: 4, heads: 4, hidden: 384, rows: 8 },
  /** 3.3 million parameters. */
  d256: { width: 256, layers: 4, heads: 8, hidden: 688, rows: 4 },
  /** 14.4 million parameters. */
  '15m': { width: 384, layers: 8, heads: 6, hidden: 1024, rows: 8 },
} as const

export type ModelName = keyof typeof sizes

export const length = 128
export const seed = [1, 2] as const
export const rowsOf = (name: ModelName): number => sizes[name].rows
export const tokensOf = (name: ModelName): number => sizes[name].rows * length

/** Adam as all engines compute it; the rate stays as it is. */
export const optimiser = {
  rate: 1e-3,
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  weightDecay: 0.01,
  clipNorm: 1,
} as const

export function modelOf(name: ModelName, profile: Profile = 'f32'): Model {
  const { width, layers, heads, hidden } = sizes[name]
  const config: Decoder = {
    vocabulary: 256,
    width,
    layers,
    heads,
    keyHeads: heads,
    headSize: width / heads,
    hidden,
    feedForward: 'swiglu',
    positions: length,
    rotaryBase: 10_000,
    epsilon: 1e-5,
    isTied: false,
    profiles: { attention: profile, feedForward: profile, head: profile },
  }
  return decoder(config)
}

/** How many weights training changes. */
export function parametersOf({ parameters }: Model): number {
  return parameters
    .filter(({ isTrained }) => isTrained)
    .reduce((sum, { slot }) => sum + count(slot.shape), 0)
}

export function trainingGraphOf(name: ModelName, model: Model): Graph {
  const { rate, clipNorm, ...adam } = optimiser
  return decoderTrainingGraph(model, {
    rows: rowsOf(name),
    length,
    optimiser: { kind: 'adamw', ...adam },
    schedule: { rate },
    clipNorm,
  })
}

/** Text of a few kilobytes that is not all the same, the same on every machine. */
export function trainingText(): Uint8Array {
  const words = 'the a cat dog sat ran on under mat log and then saw one small red bird'.split(' ')
  let state = 12_345
  const next = () => (state = (state * 1_103_515_245 + 12_345) % 2 ** 31)
  const text = Array.from({ length: 4000 }, () => words[next() % words.length]!).join(' ')
  return new TextEncoder().encode(text)
}
