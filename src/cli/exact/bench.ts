import { Command } from 'commander'
import type { Backend } from '../../exact/Backend.ts'
import * as Merkle from '../../exact/commit/merkle.ts'
import * as Graph from '../../exact/Graph.ts'
import { decoderOf } from '../../exact/models/decoderOf.ts'
import { contract, contractI8, type DType, input } from '../../exact/Tensor.ts'
import { build } from '../../exact/train/Recipe.ts'
import { bytesOf, startRun } from '../../exact/train/startRun.ts'
import { parseInteger } from '../parseOptions.ts'
import { run } from '../run.ts'
import { startBackend } from './startBackend.ts'

/** `weft exact bench`: how fast this machine is, in a few seconds. */
export function benchCommand(): Command {
  return new Command('bench')
    .description('how fast this machine computes exactly, in a few seconds')
    .option('--threads <count>', '1 to 8', parseInteger({ min: 1, max: 8 }))
    .option('--json', 'print one JSON line for machines')
    .addHelpText('after', '\nComparisons with other engines: `npm run bench -- exact`.')
    .action((options: { threads?: number; json?: boolean }) =>
      run(options, async () => {
        await using backend = await startBackend('wasm', options)
        const figures = await measure(backend)
        if (options.json) return console.log(JSON.stringify({ backend: backend.name, ...figures }))
        const row = (name: string, value: number, unit: string) =>
          console.log(`  ${name.padEnd(42)}${value.toFixed(1).padStart(9)} ${unit}`)
        console.log(backend.name)
        row(`product of ${size} x ${size}, f32`, figures.f32Gflops, 'GFLOP/s')
        row(`product of ${size} x ${size}, i8`, figures.i8Gops, 'Gop/s')
        row('training step, 0.4 M weights, 512 tokens, f32', figures.stepF32Ms, 'ms')
        row('the same in i8', figures.stepI8Ms, 'ms')
        row('Merkle root', figures.hashMegabytesPerSecond, 'MB/s')
      }),
    )
}

const size = 512

type Figures = Readonly<
  Record<'f32Gflops' | 'i8Gops' | 'stepF32Ms' | 'stepI8Ms' | 'hashMegabytesPerSecond', number>
>

async function measure(backend: Backend): Promise<Figures> {
  const flops = 2 * size ** 3
  const bytes = new Uint8Array(16 * 2 ** 20).map((_, at) => at % 251)
  return {
    f32Gflops: flops / (await productMs(backend, 'f32')) / 1e6,
    i8Gops: flops / (await productMs(backend, 'i8')) / 1e6,
    stepF32Ms: await stepMs(backend, 'f32'),
    stepI8Ms: await stepMs(backend, 'i8'),
    hashMegabytesPerSecond: bytes.length / 1e3 / medianMs(() => Merkle.rootOfBytes(bytes)),
  }
}

/** A product of operands that change every step, so that packing them counts. */
async function productMs(backend: Backend, of: 'f32' | 'i8'): Promise<number> {
  const slot = (name: string, dtype: DType, shape: readonly number[]) =>
    input('batch', name, dtype, shape)
  const [a, b] = [slot('a', of, [size, size]), slot('b', of, [size, size])]
  const scales = ['scaleA', 'scaleB'].map((name) => slot(name, 'f32', [size]))
  const [scaleA, scaleB] = scales as [typeof a, typeof a]
  const product = of === 'f32' ? contract(a, b) : contractI8({ a, b, scaleA, scaleB })
  const batch = of === 'f32' ? [a, b] : [a, b, scaleA, scaleB]
  const graph = Graph.from({ state: [], batch, results: { product } })
  await using executable = await backend.prepare(graph)
  const values = batch.map(({ dtype, shape }) => {
    const count = shape.reduce((total, axis) => total * axis, 1)
    if (dtype === 'i8') return new Uint8Array(count).map((_, at) => (at * 37) % 64)
    return new Uint8Array(Float32Array.from({ length: count }, (_, at) => (at % 97) / 97).buffer)
  })
  return medianMs(() => executable.step(values))
}

async function stepMs(backend: Backend, profile: 'f32' | 'i8'): Promise<number> {
  const [rows, length] = [8, 64]
  const { model, graph } = build({
    model: decoderOf({ keyHeads: 2, profile }),
    rows,
    length,
    optimiser: { kind: 'adamw' },
    schedule: { rate: 0.001 },
  })
  await using training = await startRun({ backend }, { graph, ...model, seed: [1, 0] })
  const batch = [bytesOf(Uint32Array.from({ length: rows * (length + 1) }, (_, at) => at % 251))]
  return medianMs(() => training.step(batch))
}

/** The median of at least five runs over at most about half a second, after one to warm up. */
function medianMs(work: () => unknown): number {
  work()
  const times: number[] = []
  for (const endAt = performance.now() + 600; times.length < 5 || performance.now() < endAt;) {
    const startedAt = performance.now()
    work()
    times.push(performance.now() - startedAt)
  }
  return times.toSorted((a, b) => a - b)[times.length >>> 1]!
}
