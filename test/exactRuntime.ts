/**
 * A process that repeats known work on one runtime, and prints what came out: the hash of the compliance
 * suite and the run roots of short trainings. `exactRuntimes.test.ts` bundles it for runtimes that cannot
 * run this source.
 *
 * Argument: `Work` as JSON. A line of `Outcome` comes out.
 */
import { Worker } from 'node:worker_threads'
import { bytesToHex } from '@noble/hashes/utils.js'
import type { Backend } from '../src/exact/Backend.ts'
import * as RunRoot from '../src/exact/commit/RunRoot.ts'
import * as StateRoot from '../src/exact/commit/StateRoot.ts'
import * as Compliance from '../src/exact/compliance.ts'
import { tokensOf } from '../src/exact/data.ts'
import { decoder } from '../src/exact/models/decoder.ts'
import type { Profile } from '../src/exact/ops.ts'
import { reference } from '../src/exact/reference.ts'
import { startRun } from '../src/exact/train/startRun.ts'
import { train } from '../src/exact/train/train.ts'
import { decoderTrainingGraph } from '../src/exact/train/trainingGraph.ts'
import type { WorkerData } from '../src/exact/wasm/protocol.ts'
import { startWasm } from '../src/exact/wasm/startWasm.ts'
import { allIn, tinyDecoder } from './exactDecoders.ts'

/** What to do, and how. */
export type Work = {
  readonly backend: 'reference' | 'wasm'
  readonly threads?: number
  readonly emulated?: boolean
  /** Every how many cases of the suite one is run; 0 for none. */
  readonly everyCase: number
  /** Of each training. */
  readonly steps: number
}

export type Outcome = {
  /** How the back end calls itself. */
  readonly backend: string
  readonly node: string
  /** Of the cases that were run, as the golden file has them. */
  readonly suite: string
  /** Of each profile, after the first `early` steps and after all. */
  readonly early: Readonly<Record<string, string>>
  readonly runs: Readonly<Record<string, string>>
}

/** A root is taken after so many steps, too: the reference back end goes no further. */
export const early = 3

const profiles: readonly Profile[] = ['f32', 'i8', 'i8x3']
const seed = [1, 2] as const

/** The hash of every so many cases of the suite. */
export async function suiteOf(
  every: number,
  fingerprint: (each: Compliance.Case) => string | Promise<string>,
): Promise<string> {
  const found: Record<string, string> = {}
  let index = 0
  if (every > 0)
    for (const each of Compliance.cases())
      if (index++ % every === 0) found[each.name] = await fingerprint(each)
  return Compliance.suiteHash(found)
}

/** Trains the tiny decoder and commits to each state; the roots after the early steps and all. */
export async function rootsOf(backend: Backend, profile: Profile, steps: number) {
  const model = decoder({ ...tinyDecoder, profiles: allIn(profile) })
  const graph = decoderTrainingGraph(model, {
    rows: 2,
    length: 8,
    optimiser: { kind: 'adamw' },
    schedule: { rate: 0.02, warmupSteps: 5, decay: { steps: 200, floor: 0.1 } },
    clipNorm: 1,
  })
  const data = Uint8Array.from(tokensOf('the cat sat on the mat; '.repeat(20)))
  await using run = await startRun({ backend }, { graph, parameters: model.parameters, seed })
  const roots = RunRoot.start()
  let first = ''
  const onStep = () => {
    roots.push(StateRoot.from(graph.state, run.state()))
    if (roots.steps() === early) first = bytesToHex(roots.root())
  }
  await train(run, { data, seed, steps, onStep })
  return { early: first, all: bytesToHex(roots.root()) }
}

/** Does the work, on threads that run `worker`. */
export async function doWork(
  { backend: name, threads = 1, emulated = false, everyCase, steps }: Work,
  worker: URL,
): Promise<Outcome> {
  const spawn = (data: WorkerData) =>
    new Worker(worker, { workerData: data, transferList: [data.port] })
  const fusion = emulated ? ({ fusion: 'emulated' } as const) : {}
  // All ops are divided, the small ones too.
  await using wasm = await startWasm({ threads, spawn, aloneBelow: 0, ...fusion })
  const backend = name === 'wasm' ? wasm : reference
  const suite = await suiteOf(everyCase, (each) => Compliance.fingerprint(backend, each))
  const [first, all]: Record<string, string>[] = [{}, {}]
  for (const profile of profiles) {
    const roots = await rootsOf(backend, profile, steps)
    first![profile] = roots.early
    all![profile] = roots.all
  }
  return { backend: backend.name, node: process.version, suite, early: first!, runs: all! }
}
