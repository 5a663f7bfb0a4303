import { expect, test } from 'vitest'
import type { Backend } from '../src/exact/Backend.ts'
import { tokensOf } from '../src/exact/data.ts'
import { type Decoder, decoder } from '../src/exact/models/decoder.ts'
import { reference } from '../src/exact/reference.ts'
import { startRun } from '../src/exact/train/startRun.ts'
import { train } from '../src/exact/train/train.ts'
import { decoderTrainingGraph } from '../src/exact/train/trainingGraph.ts'
import { startWasm } from '../src/exact/wasm/startWasm.ts'
import { allIn, tinyDecoder } from './exactDecoders.ts'

const data = Uint8Array.from(tokensOf('the cat sat on the mat; '.repeat(20)))
const seed = [1, 2] as const

test.each(['f32', 'i8', 'i8x3'] as const)(
  'initialisation and training end in the same state on both back ends: %s',
  async (profile) => {
    const config = { ...tinyDecoder, profiles: allIn(profile) }
    await using wasm = await startWasm()
    expect(await trained(wasm, config)).toEqual(await trained(reference, config))
  },
)

async function trained(backend: Backend, config: Decoder) {
  const model = decoder(config)
  const graph = decoderTrainingGraph(model, {
    rows: 2,
    length: 8,
    optimiser: { kind: 'adamw' },
    schedule: { rate: 0.02, warmupSteps: 2, decay: { steps: 4, floor: 0.1 } },
    clipNorm: 1,
  })
  const { parameters } = model
  await using run = await startRun({ backend }, { graph, parameters, seed })
  await train(run, { data, seed, steps: 3 })
  return run.state().map((bytes) => new Uint32Array(bytes.slice().buffer))
}
