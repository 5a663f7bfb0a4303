import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decoder } from '../../src/exact/models/decoder.ts'
import { drawParameters } from '../../src/exact/train/startRun.ts'
import { startWasm } from '../../src/exact/wasm/startWasm.ts'
import * as DecoderGguf from '../../src/exact/weights/DecoderGguf.ts'
import type { Part } from '../exact.ts'
import { median } from '../interleave.ts'
import { table } from '../table.ts'
import { parametersOf, seed } from './models.ts'
import type { EngineName } from './startEngines.ts'
import { takeTurns } from './takeTurns.ts'
import type { Task } from './Task.ts'

/** Tokens of a text, and the positions that the models have. */
const [tokens, positions] = [32, 128]

/** Texts token by token on one thread, from one file in f32 and one in Q8_0: llama.cpp reads the same. */
export const decoding: Part = async ({ say, startEngines }) => {
  const folder = await mkdtemp(join(tmpdir(), 'weft-bench-'))
  await using stack = new AsyncDisposableStack()
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  const { tasks, parameters } = await writeFiles(folder)
  const figures: Record<string, number> = {}
  const rows: string[][] = []
  await using started = await startEngines({ say }, { tasks, threads: [1] })
  const { engines } = started
  for (const task of tasks) {
    const samples = await takeTurns(engines, task, { rounds: 5, warmups: 1 })
    const found = new Map([...samples].map(([{ name }, each]) => [name, each]))
    const rate = (name: EngineName) => tokens / median(found.get(name)!)
    for (const { name } of engines) figures[`${name} decode ${task.profile} tokens/s`] = rate(name)
    rows.push([task.profile, ...engines.map(({ name }) => rate(name).toFixed(0))])
    const [ours, theirs] = [found.get('exact')!, found.get('llama.cpp')!]
    const ratio = median(ours.map((value, round) => theirs[round]! / value))
    figures[`decode ratio to llama.cpp ${task.profile}`] = ratio
  }
  say(table(['tokens a second', ...engines.map(({ name }) => name)], rows))
  say(
    `\n${(parameters / 1e6).toFixed(1)} million parameters, ${tokens} tokens, one thread; llama.cpp's i8 is Q8_0`,
  )
  const ratios = tasks.map(({ profile }) => figures[`decode ratio to llama.cpp ${profile}`]!)
  return { ...figures, decodeRatioToLlamaCpp: Math.min(...ratios) }
}

/** A decoder with drawn weights in both precisions. */
async function writeFiles(folder: string) {
  await using backend = await startWasm()
  const profiles = { attention: 'f32', feedForward: 'f32', head: 'f32' } as const
  const model = decoder({
    vocabulary: 512,
    width: 512,
    layers: 8,
    heads: 8,
    keyHeads: 8,
    headSize: 64,
    hidden: 1376,
    feedForward: 'swiglu',
    positions,
    rotaryBase: 10_000,
    epsilon: 1e-5,
    isTied: false,
    profiles,
  })
  const weights = await drawParameters({ backend }, { parameters: model.parameters, seed })
  const tasks = await Promise.all(
    (['f32', 'i8'] as const).map(async (profile) => {
      const path = join(folder, `${profile}.gguf`)
      const type = profile === 'f32' ? 'F32' : 'Q8_0'
      await writeFile(path, DecoderGguf.write({ model, weights }, { type }))
      return { task: 'decode', path, profile, tokens } satisfies Task
    }),
  )
  return { tasks, parameters: parametersOf(model) }
}
