import { writeFileSync } from 'node:fs'
import type { Bench, Figures } from '../Bench.ts'
import { table } from '../table.ts'
import type { Course, Plan } from './course.ts'
import { frontierChart } from './frontierChart.ts'
import type { Records } from './records.ts'
import { long, type Settings, short } from './tuned.ts'

/** Every rule with its best settings, with four and with eight workers; the first fields are those of the figures. */
export async function loss({ say }: Bench.Ports, { course }: Records): Promise<Figures> {
  const results: Result[] = []
  for (const field of fields)
    for (const rule of field.rules)
      for (const seed of field.seeds) {
        const { workers, steps, rows } = field
        const plan: Plan = { workers, rounds: 200, steps, seed, rows, ...field.settings[rule]! }
        results.push({ plan, rule, field, course: await course(plan) })
      }
  const resultsOf = (field: Field, rule: Rule) =>
    results.filter((each) => each.rule === rule && each.field === field)
  const gapsOf = (field: Field, rule: Rule) =>
    resultsOf(field, rule).map(
      (each, at) => each.course.loss / resultsOf(field, 'machine')[at]!.course.loss - 1,
    )
  const lines = fields.flatMap((field) =>
    field.rules.map((rule) => {
      const own = resultsOf(field, rule)
      const losses = own.map((each) => each.course.loss)
      const gaps = gapsOf(field, rule)
      const traffic = trafficOf(own[0]!)
      return [
        String(field.workers),
        String(field.steps),
        String(field.rows),
        rule,
        mean(losses).toFixed(4),
        spread(losses).toFixed(4),
        `${percent(mean(gaps))} (${percent(Math.min(...gaps))} to ${percent(Math.max(...gaps))})`,
        traffic.bytesPerToken.toPrecision(3),
        traffic.bitsPerParameter.toPrecision(3),
        traffic.factor === Infinity ? '' : traffic.factor.toFixed(0),
        traffic.factorSent === Infinity ? '' : traffic.factorSent.toFixed(0),
        String(own.length),
      ]
    }),
  )
  say(table(headings, lines))
  const chart = process.env['WEFT_TRAINING_CHART']
  if (chart) writeFileSync(chart, frontierChart(points(resultsOf)))
  const [four, eight] = [longFour, longEight].map((field) => ({
    gap: mean(gapsOf(field, 'sparse')),
    ...trafficOf(resultsOf(field, 'sparse')[0]!),
  }))
  return {
    lossGap: Math.max(four!.gap, eight!.gap),
    lossGapFour: four!.gap,
    lossGapEight: eight!.gap,
    trafficFactor: Math.min(four!.factor, eight!.factor),
    trafficFactorSentOnce: Math.min(four!.factorSent, eight!.factorSent),
    bitsPerParam: four!.bitsPerParameter,
  }
}

type Rule = keyof typeof short
type Result = {
  readonly plan: Plan
  readonly rule: Rule
  readonly field: Field
  readonly course: Course
}
type Field = {
  readonly workers: number
  readonly steps: number
  readonly rows: number
  readonly seeds: readonly number[]
  readonly rules: readonly Rule[]
  readonly settings: Settings
}

const longRounds = { steps: 60, rows: 32, settings: long } as const
const shortRounds = { steps: 15, rows: 8, settings: short } as const
const longFour: Field = {
  ...longRounds,
  workers: 4,
  seeds: [1, 2, 3],
  rules: ['machine', 'sparse', 'diloco', 'streaming'],
}
const longEight: Field = {
  ...longRounds,
  workers: 8,
  seeds: [1, 2, 3],
  rules: ['machine', 'sparse'],
}
const fields: readonly Field[] = [
  longFour,
  longEight,
  { ...longFour, ...shortRounds },
  { ...longEight, ...shortRounds },
]

/**
 * What a worker sends and receives for each token that it trains on. Data-parallel is a ring all-reduce of
 * f32: 2 (n - 1) / n of the gradient sent and as much received, each step. By the other rules a worker's payload
 * goes to the n - 1 others: all that is counted here; where each is sent once and others pass it on, a
 * worker sends n - 1 times less (`factorSent`, as published figures count).
 */
function trafficOf({ plan, rule, course }: Result) {
  const { workers, rounds, steps } = plan
  const { parameters, sentBytes, tokens } = course
  const own = tokens / workers
  const reduced = (2 * 4 * parameters * (workers - 1) * rounds * steps) / workers
  const isJoined = rule !== 'machine' && rule !== 'small-batches'
  const gathered = isJoined ? sentBytes * (workers - 1) : reduced
  return {
    bytesPerToken: (2 * gathered) / own,
    bitsPerParameter: isJoined ? (8 * sentBytes) / rounds / parameters : 32,
    factor: isJoined ? reduced / gathered : Infinity,
    factorSent: isJoined ? reduced / sentBytes : Infinity,
  }
}

const headings = [
  'workers',
  'H',
  'rows',
  'rule',
  'held-out loss',
  'spread',
  'gap',
  'bytes a worker and token',
  'bits a parameter and round',
  'less than f32 all-reduce',
  'sent once',
  'seeds',
]

function points(resultsOf: (field: Field, rule: Rule) => readonly Result[]) {
  return fields.flatMap((field) =>
    field.rules.map((rule) => {
      const results = resultsOf(field, rule)
      return {
        series: rule === 'machine' ? 'data-parallel' : rule,
        label: `${field.workers} x ${field.steps} x ${field.rows}`,
        bytesPerToken: trafficOf(results[0]!).bytesPerToken,
        losses: results.map(({ course }) => course.loss),
      }
    }),
  )
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, each) => sum + each, 0) / values.length
}

function spread(values: readonly number[]): number {
  return Math.max(...values) - Math.min(...values)
}
