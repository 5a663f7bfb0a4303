import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex } from '@noble/hashes/utils.js'
import { describe, expect, test } from 'vitest'
import { allIn, bytesOfFloats, evaluate, floats, tinyDecoder } from '../../../test/exactDecoders.ts'
import { DataError, tokensOf } from '../data.ts'
import * as Graph from '../Graph.ts'
import { type Decoder, decoder } from '../models/decoder.ts'
import * as Ops from '../ops.ts'
import { reference } from '../reference.ts'
import { input } from '../Tensor.ts'
import { bytesOf, type Run, startRun, type StepReport } from './startRun.ts'
import { train } from './train.ts'
import { decoderTrainingGraph, nextTokenLoss } from './trainingGraph.ts'

const data = Uint8Array.from(tokensOf('the cat sat on the mat; '.repeat(20)))
const seed = [1, 2] as const

describe('train', () => {
  const decoders: Readonly<Record<string, readonly [Decoder, steps: number, fall: number]>> = {
    'in f32': [tinyDecoder, 25, 1.5],
    'in i8, squared ReLU, untied': [
      { ...tinyDecoder, feedForward: 'relu-squared', isTied: false, profiles: allIn('i8') },
      12,
      0.5,
    ],
    'in i8x3': [{ ...tinyDecoder, profiles: allIn('i8x3') }, 6, 0.3],
  }

  test.each(Object.entries(decoders))(
    'a decoder %s learns a text, and ends in the same state twice',
    async (_, [config, steps, fall]) => {
      await using first = await start(config)
      await using second = await start(config)
      const losses = (await reportsOf(first, steps)).map(({ loss }) => loss)
      await reportsOf(second, steps)
      expect(losses[0]).toBeCloseTo(Math.log(config.vocabulary), 1)
      expect(losses.at(-1)).toBeLessThan(losses[0]! - fall)
      expect(hashOf(second)).toBe(hashOf(first))
    },
  )

  test('a run that is taken up again goes on as if it had never stopped', async () => {
    await using whole = await start(tinyDecoder)
    await using stopped = await start(tinyDecoder)
    await using again = await start(tinyDecoder, { seed: [9, 9] })
    await reportsOf(whole, 6)
    await reportsOf(stopped, 3)
    again.restore(stopped.state())
    const reports = await reportsOf(again, 6)
    expect(reports.map(({ step }) => step)).toEqual([3, 4, 5])
    expect(hashOf(again)).toBe(hashOf(whole))
  })

  test('another seed, another run', async () => {
    await using first = await start(tinyDecoder)
    await using other = await start(tinyDecoder, { seed: [1, 3] })
    expect(hashOf(first)).not.toBe(hashOf(other))
  })

  test('reports the steps, the learning rate and the norm of the gradients', async () => {
    await using run = await start(tinyDecoder)
    const reports = await reportsOf(run, 3)
    expect(reports.map(({ step }) => step)).toEqual([0, 1, 2])
    reports.forEach(({ learningRate }, step) =>
      expect(learningRate).toBeCloseTo((0.02 * (step + 1)) / 5, 6),
    )
    expect(reports.every(({ gradientNorm }) => gradientNorm > 0)).toBe(true)
    expect(run.stepsDone()).toBe(3)
  })

  test('stops when it is told to', async () => {
    await using run = await start(tinyDecoder)
    const stop = new AbortController()
    const onStep = () => stop.abort()
    const running = train(run, { data, seed, steps: 9, onStep, signal: stop.signal })
    await expect(running).rejects.toThrow('abort')
    expect(run.stepsDone()).toBe(1)
  })

  test('data shorter than a row is a clear error, before any step', async () => {
    await using run = await start(tinyDecoder)
    const short = train(run, { data: data.subarray(0, 8), seed, steps: 1 })
    await expect(short).rejects.toThrow(DataError)
    expect(run.stepsDone()).toBe(0)
  })
})

describe('startRun', () => {
  test('refuses a graph that is no training step, and a state of another graph', async () => {
    const x = input('state', 'x', 'f32', [])
    const graph = Graph.from({ state: [[x, x]] })
    await expect(startRun({ backend: reference }, { graph, parameters: [], seed })).rejects.toThrow(
      'no step counter',
    )
    await using run = await start(tinyDecoder)
    expect(() => run.restore(run.state().slice(1))).toThrow('of another graph')
  })
})

describe('decoderTrainingGraph', () => {
  test('changes all weights and no table', async () => {
    await using run = await start(tinyDecoder)
    const before = run.state()
    await reportsOf(run, 1)
    const after = run.state()
    run.graph.state.forEach(({ name }, index) => {
      const isSame = hex(after[index]!) === hex(before[index]!)
      expect(isSame, name).toBe(name.startsWith('rotary'))
    })
  })

  test('takes gradients in other profiles than the products', async () => {
    const config = { ...tinyDecoder, profiles: allIn('i8') }
    const profiles = (profile: Ops.Profile) => ({ a: profile, b: 'f32' }) as const
    await using mixed = await start(config, { profiles })
    await using all = await start(config)
    const count = (run: Run) => run.graph.ops.filter(({ op }) => op.kind === 'contract-i8').length
    expect(count(mixed)).toBe((count(all) * 2) / 3)
  })
})

describe('nextTokenLoss', () => {
  test('is the mean of what each token pays for the one after it', async () => {
    const values = [0, 1, 2, 3, -1, 0.5]
    const logits = input('batch', 'logits', 'f32', [1, 2, 3])
    const tokens = input('batch', 'tokens', 'u32', [1, 3])
    const [found] = await evaluate([nextTokenLoss(logits, tokens)], {
      batch: [
        [logits, bytesOfFloats(values)],
        [tokens, bytesOf(Uint32Array.of(9, 2, 0))],
      ],
    })
    const price = (row: readonly number[], label: number) =>
      Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0)) - row[label]!
    const expected = (price(values.slice(0, 3), 2) + price(values.slice(3), 0)) / 2
    expect(floats(found!)[0]).toBeCloseTo(expected, 6)
  })
})

type More = {
  readonly seed?: readonly [number, number]
  readonly profiles?: decoderTrainingGraph.Options['profiles']
}

async function start(config: Decoder, { seed: drawn = seed, profiles }: More = {}): Promise<Run> {
  const model = decoder(config)
  const graph = decoderTrainingGraph(model, {
    rows: 2,
    length: 8,
    optimiser: { kind: 'adamw' },
    schedule: { rate: 0.02, warmupSteps: 5, decay: { steps: 30, floor: 0.1 } },
    clipNorm: 1,
    profiles,
  })
  const { parameters } = model
  return startRun({ backend: reference }, { graph, parameters, seed: drawn })
}

async function reportsOf(run: Run, steps: number): Promise<readonly StepReport[]> {
  const reports: StepReport[] = []
  await train(run, { data, seed, steps, onStep: (report) => void reports.push(report) })
  return reports
}

function hashOf(run: Run): string {
  const hash = sha256.create()
  for (const bytes of run.state()) hash.update(bytes)
  return bytesToHex(hash.digest())
}

function hex(bytes: Uint8Array): string {
  return bytesToHex(bytes)
}
