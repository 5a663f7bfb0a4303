import { sha256 } from '@noble/hashes/sha2.js'
import { utf8ToBytes } from '@noble/hashes/utils.js'
import * as Graph from '../Graph.ts'
import { philox } from '../philox.ts'
import { byteLength, type DType, input, type Shape, type Tensor } from '../Tensor.ts'

/** A graph, the state it begins with, and a batch for each step: the same bytes on every machine. */
export type Case = {
  readonly name: string
  readonly graph: Graph.Graph
  readonly state: readonly Uint8Array[]
  readonly batches: readonly (readonly Uint8Array[])[]
}

/** What an input of a case holds. */
export type Fill =
  /** f32 from -1 to 1. */
  | 'ordinary'
  /** Any bits: edge values, raw patterns, numbers of all sizes. */
  | 'wild'
  /** Whole numbers below the limit (an i8 on both sides of zero); sometimes far above, when `astray`. */
  | { readonly below: number; readonly astray?: boolean }
  /** Exactly these patterns, turned round for the second step. */
  | Uint32Array

export type Spec = { readonly dtype?: DType; readonly shape: Shape; readonly fill?: Fill }

/** A case without state: inputs as specified, two steps with different batches. */
export function stateless(
  name: string,
  specs: readonly Spec[],
  build: (...inputs: readonly Tensor[]) => Readonly<Record<string, Tensor>>,
): Case {
  const batch = specs.map(({ dtype = 'f32', shape }, index) =>
    input('batch', `input${index}`, dtype, shape),
  )
  const graph = Graph.from({ state: [], batch, results: build(...batch) })
  const steps = [0, 1]
  return { name, graph, state: [], batches: steps.map((step) => bytesOf(name, specs, step)) }
}

/** Bytes for each of some inputs. */
export function bytesOf(name: string, specs: readonly Spec[], step: number): readonly Uint8Array[] {
  return specs.map((spec, index) => fillBytes(source(`${name} ${index} ${step}`), spec, step))
}

/** Words that seem random and depend on a name alone. */
export function source(name: string): () => number {
  const key = sha256(utf8ToBytes(name))
  const view = new DataView(key.buffer, key.byteOffset)
  const seed = [view.getUint32(0), view.getUint32(4)] as const
  let drawn = 0
  let words: readonly number[] = []
  return () => {
    if (drawn % 4 === 0) words = philox([drawn / 4, 0, 0, 0], seed)
    return words[drawn++ % 4]!
  }
}

function fillBytes(next: () => number, spec: Spec, step: number): Uint8Array {
  const { dtype = 'f32', fill = 'ordinary' } = spec
  const bytes = new Uint8Array(byteLength({ dtype, shape: spec.shape }))
  if (dtype === 'i8') {
    const reach = typeof fill === 'object' && 'below' in fill ? fill.below : 129
    return bytes.map(() => (next() % (2 * reach - 1)) - reach + 1)
  }
  const words = new Uint32Array(bytes.buffer)
  if (fill instanceof Uint32Array) words.set(step === 0 ? fill : fill.toReversed())
  else words.forEach((_, index) => (words[index] = pattern(next, fill)))
  return bytes
}

function pattern(next: () => number, fill: Exclude<Fill, Uint32Array>): number {
  if (fill === 'ordinary') return bitsOf((next() >>> 8) * 2 ** -23 - 1)
  if (fill !== 'wild') {
    const lost = fill.astray && next() % 8 === 0
    return lost ? fill.below + (next() >>> (next() % 32)) : next() % fill.below
  }
  const [kind, word] = [next() % 8, next()]
  if (kind === 0) return edges[word % edges.length]!
  if (kind === 1) return word
  // A sign, a moderate exponent and any fraction, half of them with few bits, so that ties are met.
  const exponent = 107 + (next() % 40)
  const fraction = kind < 5 ? word & 0x7f_ffff : word & 0x78_0001
  return ((word & 0x8000_0000) | (exponent << 23) | fraction) >>> 0
}

/** Zeros, subnormals, the ends of the range, infinities, NaN, ties, and where the programs change their ways. */
export const edges: readonly number[] = [
  0x0000_0000, 0x8000_0000, 0x0000_0001, 0x8000_0001, 0x007f_ffff, 0x807f_ffff, 0x0080_0000,
  0x8080_0000, 0x0080_0001, 0x3f80_0000, 0xbf80_0000, 0x3f80_0001, 0x3f7f_ffff, 0xbf7f_ffff,
  0x7f7f_ffff, 0xff7f_ffff, 0x7f80_0000, 0xff80_0000, 0x7fc0_0000, 0x7fa0_0001, 0xffc1_2345,
  0x3f00_0000, 0x3fc0_0000, 0xc020_0000, 0x3380_0000, 0x3400_0000, 0x4b00_0001, 0x4b80_0000,
  0x4f00_0000, 0xcf00_0000, 0x4eff_ffff, 0x1f80_0000, 0x5f00_0000, 0x42b1_7218, 0xc2cf_f1b5,
  0x4b40_0000,
]

function bitsOf(value: number): number {
  float[0] = value
  return word[0]!
}

const float = new Float32Array(1)
const word = new Uint32Array(float.buffer)
