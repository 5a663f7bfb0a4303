/** A tiny decoder for tests of the exact engine, and ways in and out of it. */
import * as Graph from '../src/exact/Graph.ts'
import type { Decoder } from '../src/exact/models/decoder.ts'
import { reference } from '../src/exact/reference.ts'
import type { Tensor } from '../src/exact/Tensor.ts'

export const tinyDecoder: Decoder = {
  vocabulary: 128,
  width: 8,
  layers: 1,
  heads: 2,
  keyHeads: 1,
  headSize: 4,
  hidden: 12,
  feedForward: 'swiglu',
  positions: 8,
  rotaryBase: 10_000,
  epsilon: 1e-5,
  isTied: true,
  profiles: { attention: 'f32', feedForward: 'f32', head: 'f32' },
}

export const allIn = (profile: 'f32' | 'i8' | 'i8x3'): Decoder['profiles'] => ({
  attention: profile,
  feedForward: profile,
  head: profile,
})

/** Evaluates tensors of batch and state slots once. */
export async function evaluate(
  results: readonly Tensor[],
  { state = [], batch = [] }: { state?: readonly Slot[]; batch?: readonly Slot[] } = {},
): Promise<readonly Uint8Array[]> {
  const graph = Graph.from({
    state: state.map(([slot]) => [slot, slot]),
    batch: batch.map(([slot]) => slot),
    results: Object.fromEntries(results.map((result, index) => [`${index}`, result])),
  })
  await using executable = await reference.prepare(graph)
  state.forEach(([, bytes], index) => executable.writeState(index, bytes))
  return executable.step(batch.map(([, bytes]) => bytes)).map((bytes) => bytes.slice())
}

type Slot = readonly [Tensor, Uint8Array]

export function floats(bytes: Uint8Array): readonly number[] {
  return [...new Float32Array(bytes.slice().buffer)]
}

export function words(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(bytes.slice().buffer)
}

export function bytesOfFloats(values: readonly number[]): Uint8Array {
  return new Uint8Array(Float32Array.from(values).buffer)
}
