import type { Profile } from '../../src/exact/ops.ts'
import type { Part } from '../exact.ts'
import { median } from '../interleave.ts'
import { table } from '../table.ts'
import { type ModelName, modelOf, parametersOf, tokensOf } from './models.ts'
import type { Engine, EngineName } from './startEngines.ts'
import { takeTurns } from './takeTurns.ts'
import type { Task } from './Task.ts'

const profiles: readonly Profile[] = ['f32', 'i8', 'i8x3']

/** Of each model: how many rounds, and on how many threads. */
type Plan = readonly {
  readonly model: ModelName
  readonly rounds: number
  readonly threads: readonly number[]
  /** Engines that would take more than a minute. */
  readonly without?: readonly EngineName[]
}[]

/** Whole training steps of decoders, profile by profile, against steps in f32 elsewhere. */
export const steps: Part = measuring([
  { model: '1m', rounds: 5, threads: [1, 2] },
  { model: 'd256', rounds: 5, threads: [1, 2] },
])

/** The same of a larger one. */
export const largeSteps: Part = measuring([
  { model: '15m', rounds: 3, threads: [1], without: ['tfjs wasm'] },
])

function measuring(plan: Plan): Part {
  return async ({ say, startEngines }) => {
    const figures: Record<string, number> = {}
    for (const { model, rounds, threads, without = [] } of plan)
      for (const count of threads) {
        const tasks = profiles.map((profile): Task => ({ task: 'step', model, profile }))
        await using started = await startEngines({ say }, { tasks, threads: [count] })
        const engines = started.engines.filter(({ name }) => !without.includes(name))
        const found = await measure(engines, tasks, rounds)
        const millions = parametersOf(modelOf(model)) / 1e6
        const rows = [...found].map(([name, each]) => {
          const seconds = median(each)
          figures[`step ${model} ${name} ${count}t ms`] = seconds * 1000
          return [name, (seconds * 1000).toFixed(0), (tokensOf(model) / seconds).toFixed(0)]
        })
        say(
          table(
            [`${model}, ${count} thread${count > 1 ? 's' : ''}`, 'ms a step', 'tokens/s'],
            rows,
          ),
        )
        say(
          `\n${millions.toFixed(2)} million parameters, ${tokensOf(model)} tokens a step, medians of ${rounds}\n`,
        )
        if (count === 1) Object.assign(figures, ratiosOf(model, found))
      }
    return figures
  }
}

/** A peer that takes this long once is not asked again. */
const patienceSeconds = 6

/** All engines and profiles of one model in turns: a round is all of them once, the first does not count. */
async function measure(
  engines: readonly Engine[],
  tasks: readonly Task[],
  rounds: number,
): Promise<ReadonlyMap<string, readonly number[]>> {
  const found = new Map<string, number[]>()
  const slow = new Set<Engine>()
  for (let round = -1; round < rounds; round++)
    for (const task of tasks) {
      const able = engines.filter((engine) => engine.can(task) && !slow.has(engine))
      for (const [engine, [seconds]] of await takeTurns(able, task, { rounds: 1, warmups: 0 })) {
        const title = titleOf(engine.name, task)
        if (seconds! > patienceSeconds && !engine.name.startsWith('exact')) slow.add(engine)
        if (round >= 0 || slow.has(engine))
          found.set(title, [...(found.get(title) ?? []), seconds!])
      }
    }
  return found
}

function titleOf(name: EngineName, task: Task): string {
  return task.task === 'step' && name.startsWith('exact') ? `${name} ${task.profile}` : name
}

/** Medians of the ratios within rounds. */
function ratiosOf(model: ModelName, found: ReadonlyMap<string, readonly number[]>) {
  const figures: Record<string, number> = {}
  const ratio = (name: string, a: string, b: string) => {
    const [as, bs] = [found.get(a), found.get(b)]
    if (as && bs) figures[name] = median(as.map((value, round) => value / (bs[round] ?? bs[0]!)))
  }
  if (model === '1m') {
    figures['step1mMs'] = median(found.get('exact f32')!) * 1000
    figures['step1mMsI8'] = median(found.get('exact i8')!) * 1000
    ratio('step1mRatioToOrtNative', 'exact f32', 'ort native')
    for (const name of ['ort web', 'tfjs wasm', 'jax-js'])
      ratio(`step1m ratio to ${name}`, 'exact f32', name)
  }
  if (model === '15m') {
    ratio('step15mRatioToOrtNative', 'exact i8', 'ort native')
    ratio('step15mRatioToOrtNativeRevectorize', 'exact wide i8', 'ort native')
    ratio('step15mF32RatioToOrtNative', 'exact f32', 'ort native')
    ratio('step15mI8x3RatioToOrtNative', 'exact i8x3', 'ort native')
  }
  if (model === 'd256')
    figures['tokensPerSecondD256'] = tokensOf(model) / median(found.get('exact f32')!)
  return figures
}
