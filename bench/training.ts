/**
 * What training across strangers costs in loss and saves in traffic: the same model, data and tokens trained
 * by data-parallel steps and by rounds of inner steps with compressed updates, in one process, with the
 * arithmetic and the codec of the real workers. Sizes by environment: WEFT_TRAINING_ROUNDS, _SEEDS, _WIDTH.
 */
import { startWasm } from '../src/exact/index.ts'
import type { Bench, Figures } from './Bench.ts'
import { table } from './table.ts'
import {
  type Course,
  dataParallel,
  diloco,
  inRounds,
  type OuterRule,
  sparse,
} from './training/courses.ts'
import { type Problem, prepare } from './training/problem.ts'
import { slow } from './training/slow.ts'
import { transfer } from './training/transfer.ts'

export const bench: Bench = {
  description: 'loss and traffic of training across strangers against data-parallel training',
  sections: ['loss', 'transfer', 'slow'],
  async run(ports): Promise<Figures> {
    let figures: Figures = {}
    for (const [name, part] of Object.entries({ loss, transfer, slow }))
      if (!ports.only || ports.only.includes(name)) figures = { ...figures, ...(await part(ports)) }
    return figures
  },
}

async function loss({ say }: Bench.Ports): Promise<Figures> {
    const rounds = numberOf('ROUNDS', 60)
    const seeds = Array.from({ length: numberOf('SEEDS', 2) }, (_, index) => index + 1)
    const width = numberOf('WIDTH', 48)
    await using backend = await startWasm({ threads: 1 })
    const [workers, steps] = [4, 15]
    const results: { name: string; courses: Course[] }[] = []
    for (const { name, run } of plans({ workers, steps, rounds })) {
      const courses: Course[] = []
      for (const seed of seeds) {
        await using problem = await prepare(backend, {
          width,
          seed,
          steps: rounds * steps,
          workers,
        })
        courses.push(await run(problem))
      }
      results.push({ name, courses })
      say(`${name}: ${courses.map(({ loss }) => loss.toFixed(4)).join(', ')}`)
    }
    const rows = results.map(({ name, courses }) => [
      name,
      mean(courses.map(({ loss }) => loss)).toFixed(4),
      spread(courses.map(({ loss }) => loss)).toFixed(4),
      mean(courses.map(({ bytesPerToken }) => bytesPerToken)).toPrecision(4),
    ])
    say(`\n${rounds} rounds of ${steps} steps, ${workers} workers, ${seeds.length} seeds\n`)
    say(table(['rule', 'held-out loss', 'spread', 'bytes a worker and token'], rows))
    const of = (name: string) => results.find((each) => each.name === name)!.courses
    const [base, ours] = [of('data-parallel f32'), of('sparse, annealed')]
    return {
      lossGap: mean(ours.map(({ loss }, at) => loss / base[at]!.loss - 1)),
      dilocoLossGap: mean(of('diloco').map(({ loss }, at) => loss / base[at]!.loss - 1)),
      trafficFactor: mean(base.map((each, at) => each.bytesPerToken / ours[at]!.bytesPerToken)),
      bitsPerParam: mean(ours.map(({ lastBitsPerParameter }) => lastBitsPerParameter)),
    }
  }

type Sizes = { readonly workers: number; readonly steps: number; readonly rounds: number }

function plans({ workers, steps, rounds }: Sizes) {
  const joined = (rule: (problem: Problem) => OuterRule, keep = false) => ({
    run: (problem: Problem) =>
      inRounds(problem, { workers, steps, rounds, keep, rule: rule(problem) }),
  })
  const ours = (first: number) => (problem: Problem) =>
    sparse(problem, { rounds, steps, first, last: 64 })
  return [
    {
      name: 'data-parallel f32',
      run: (problem: Problem) => dataParallel(problem, { workers, steps: rounds * steps }),
    },
    { name: 'diloco', ...joined(diloco) },
    { name: 'sparse, annealed', ...joined(ours(1024)) },
    { name: 'sparse, 64 from the start', ...joined(ours(64)) },
    { name: 'sparse, annealed, moments kept', ...joined(ours(1024), true) },
  ]
}

function numberOf(name: string, otherwise: number): number {
  const value = Number(process.env[`WEFT_TRAINING_${name}`] ?? otherwise)
  if (!Number.isInteger(value) || value < 1)
    throw new RangeError(`WEFT_TRAINING_${name} is a whole number.`)
  return value
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, each) => sum + each, 0) / values.length
}

function spread(values: readonly number[]): number {
  return Math.max(...values) - Math.min(...values)
}
