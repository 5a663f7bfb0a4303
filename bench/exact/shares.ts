import { batchOf } from '../../src/exact/data.ts'
import type { Profile } from '../../src/exact/ops.ts'
import { startStateRoots } from '../../src/exact/run/startStateRoots.ts'
import { bytesOf, drawParameters } from '../../src/exact/train/startRun.ts'
import { startWasm } from '../../src/exact/wasm/startWasm.ts'
import type { Part } from '../exact.ts'
import { interleave, median } from '../interleave.ts'
import { table } from '../table.ts'
import { memoryNeed } from './memoryNeed.ts'
import { length, type ModelName, modelOf, rowsOf, seed, trainingGraphOf } from './models.ts'
import { trainingText } from './models.ts'

/** Where the time of a training step goes: products, and the commitment of the state that it leaves. */
export const shares: Part = async ({ say }) => {
  const figures: Record<string, number> = {}
  const rows: string[][] = []
  for (const model of ['1m', 'd256', '15m'] as const)
    for (const profile of ['f32', 'i8'] as const) {
      const { products, commitment, commitMs, stepMs, kinds, memory } = await measure(
        model,
        profile,
      )
      const others = [...kinds].toSorted(([, a], [, b]) => b - a).slice(0, 4)
      rows.push([
        `${model} ${profile}`,
        percent(products),
        percent(commitment),
        stepMs.toFixed(0),
        commitMs.toFixed(0),
        `${(memory.bytes / 2 ** 20).toFixed(0)} (${memory.ratio.toFixed(2)})`,
        others.map(([kind, share]) => `${kind} ${percent(share)}`).join(', '),
      ])
      figures[`matmul share ${model} ${profile}`] = products
      figures[`commitment share ${model} ${profile}`] = commitment
      figures[`memory ratio ${model} ${profile}`] = memory.ratio
    }
  const head = [
    'model',
    'products %',
    'commitment %',
    'step ms',
    'commitment ms',
    'MiB',
    'the rest of it',
  ]
  say(table(head, rows))
  say(
    '\none thread, processor time; the commitment in percent of step and commitment together; memory, and how often it' +
      ' holds the state and the live values of the f32 graph',
  )
  return {
    ...figures,
    matmulShare: figures['matmul share d256 f32']!,
    commitShare: figures['commitment share d256 f32']!,
    commitShareBeside: await shareBeside(say),
    memoryRatio: figures['memory ratio 1m f32']!,
  }
}

async function measure(name: ModelName, profile: Profile) {
  await using backend = await startWasm({ now: () => performance.now() })
  const model = modelOf(name, profile)
  const graph = trainingGraphOf(name, model)
  await using executable = await backend.prepare(graph)
  const first = await drawParameters({ backend }, { parameters: model.parameters, seed })
  first.forEach((bytes, slot) => executable.writeState(slot, bytes))
  const stateRoot = startStateRoots(executable)
  const data = trainingText()
  const options = { seed, rows: rowsOf(name), length: length + 1 }
  const [steps, commitments]: [number[], number[]] = [[], []]
  let before = executable.stageTimes()
  for (let step = 0; step < 4; step++) {
    const batch = [bytesOf(batchOf(data, { ...options, step }))]
    const start = processorMs()
    executable.step(batch)
    const middle = processorMs()
    stateRoot()
    const end = processorMs()
    // In the first step the kernels are still being compiled.
    if (step === 0) before = executable.stageTimes()
    else steps.push(middle - start)
    if (step > 0) commitments.push(end - middle)
  }
  const times = executable.stageTimes().map(({ what, ms }, i) => ({ what, ms: ms - before[i]!.ms }))
  const total = times.reduce((sum, { ms }) => sum + ms, 0)
  const isProduct = (what: string) => ['contract', 'contract-i8', 'pack'].includes(what)
  const kinds = new Map<string, number>()
  for (const { what, ms } of times)
    if (!isProduct(what)) kinds.set(what, (kinds.get(what) ?? 0) + ms / total)
  const [stepMs, commitMs] = [median(steps), median(commitments)]
  const rest = [...kinds.values()].reduce((sum, share) => sum + share, 0)
  const { state, alive } = memoryNeed(trainingGraphOf(name, modelOf(name)))
  return {
    products: 1 - rest,
    commitment: commitMs / (stepMs + commitMs),
    stepMs,
    commitMs,
    kinds,
    memory: { bytes: executable.memoryBytes, ratio: executable.memoryBytes / (state + alive) },
  }
}

/** How much longer steps take on the wall when another thread hashes what each leaves beside the next. */
async function shareBeside(say: (text: string) => void): Promise<number> {
  await using backend = await startWasm({ hashers: 1 })
  const model = modelOf('d256')
  await using executable = await backend.prepare(trainingGraphOf('d256', model))
  const first = await drawParameters({ backend }, { parameters: model.parameters, seed })
  first.forEach((bytes, slot) => executable.writeState(slot, bytes))
  const stateRoot = startStateRoots(executable)
  const data = trainingText()
  const batch = { seed, rows: rowsOf('d256'), length: length + 1 }
  const tokens = [bytesOf(batchOf(data, { ...batch, step: 0 }))]
  const steps = (isCommitted: boolean) => () => {
    const start = performance.now()
    let finish: () => Uint8Array = () => new Uint8Array()
    for (let i = 0; i < 8; i++) {
      executable.step(tokens)
      if (isCommitted) finish()
      if (isCommitted) finish = stateRoot.begin()
    }
    if (isCommitted) finish()
    return Promise.resolve(performance.now() - start)
  }
  const { ratio } = await interleave({ rounds: 5, warmup: 1 }, steps(true), steps(false))
  const share = 1 - 1 / ratio
  say(
    `hashing in another thread: ${percent(share)} % of the time of d256's steps in f32, on the wall`,
  )
  return share
}

function processorMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

function percent(share: number): string {
  return (share * 100).toFixed(1)
}
