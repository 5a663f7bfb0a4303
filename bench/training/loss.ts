import { writeFileSync } from 'node:fs'
import type { Bench, Figures } from '../Bench.ts'
import { table } from '../table.ts'
import type { Course, Plan } from './course.ts'
import { frontierChart } from './frontierChart.ts'
import type { Records } from './records.ts'
import { tuned } from './tuned.ts'

/** Every rule with its best settings, with four and with eight workers, three seeds each, in rounds of 15 steps, and once in longer ones. */
export async function loss({ say }: Bench.Ports, { course }: Records): Promise<Figures> {
  const results: Result[] = []
  for (const { steps, workers, seeds, rules } of fields)
    for (const rule of rules)
      for (const seed of seeds) {
        const plan: Plan = { workers, rounds: 200, steps, seed, ...tuned[rule] }
        results.push({ plan, rule, course: await course(plan) })
      }
  const fieldOf = (rule: Rule, steps: number, workers: number) =>
    results.filter(
      ({ plan, ...each }) => each.rule === rule && plan.steps === steps && plan.workers === workers,
    )
  const rows = fields.flatMap(({ steps, workers, rules }) =>
    rules.map((rule) => {
      const [own, alone] = [fieldOf(rule, steps, workers), fieldOf('machine', steps, workers)]
      const losses = own.map((each) => each.course.loss)
      const gaps = own.map((each, at) => each.course.loss / alone[at]!.course.loss - 1)
      const traffic = trafficOf(own[0]!)
      return [
        String(workers),
        String(steps),
        rule,
        mean(losses).toFixed(4),
        spread(losses).toFixed(4),
        `${(100 * mean(gaps)).toFixed(2)} %`,
        traffic.bytesPerToken.toPrecision(3),
        traffic.bitsPerParameter.toPrecision(3),
        traffic.factor === Infinity ? '' : traffic.factor.toFixed(0),
        traffic.factorSent === Infinity ? '' : traffic.factorSent.toFixed(0),
      ]
    }),
  )
  say(table(headings, rows))
  const chart = process.env['WEFT_TRAINING_CHART']
  if (chart) writeFileSync(chart, frontierChart(points(fieldOf)))
  const gapOf = (workers: number) => {
    const alone = fieldOf('machine', 15, workers)
    const gaps = fieldOf('sparse', 15, workers)
    return mean(gaps.map((each, at) => each.course.loss / alone[at]!.course.loss - 1))
  }
  const [four, eight] = [4, 8].map((workers) => trafficOf(fieldOf('sparse', 15, workers)[0]!))
  return {
    lossGap: Math.max(gapOf(4), gapOf(8)),
    lossGapFour: gapOf(4),
    lossGapEight: gapOf(8),
    trafficFactor: Math.min(four!.factor, eight!.factor),
    trafficFactorSentOnce: Math.min(four!.factorSent, eight!.factorSent),
    bitsPerParam: four!.bitsPerParameter,
  }
}

type Rule = keyof typeof tuned
type Result = { readonly plan: Plan; readonly rule: Rule; readonly course: Course }
type Field = {
  readonly steps: number
  readonly workers: number
  readonly seeds: readonly number[]
  readonly rules: readonly Rule[]
}

const fields: readonly Field[] = [
  { steps: 15, workers: 4, seeds: [1, 2, 3], rules: ['machine', 'sparse', 'diloco', 'streaming'] },
  { steps: 15, workers: 8, seeds: [1, 2, 3], rules: ['machine', 'sparse'] },
  { steps: 30, workers: 4, seeds: [1], rules: ['machine', 'sparse'] },
]

/**
 * What a worker sends and receives for each token that it trains on. Data-parallel is a ring all-reduce of
 * f32: 2 (n - 1) / n of the gradient sent and as much received, each step. By the other rules a worker's payload
 * goes to the n - 1 others: all that is counted here; where each is sent once and others pass it on, a
 * worker sends n - 1 times less (`factorSent`, as published figures count).
 */
export function trafficOf({ plan, rule, course }: Result) {
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
  'rule',
  'held-out loss',
  'spread',
  'gap',
  'bytes a worker and token',
  'bits a parameter and round',
  'less than f32 all-reduce',
  'sent once',
]

function points(fieldOf: (rule: Rule, steps: number, workers: number) => readonly Result[]) {
  return fields.flatMap(({ steps, workers, rules: own }) =>
    own.map((rule) => {
      const results = fieldOf(rule, steps, workers)
      return {
        series: rule === 'machine' ? 'data-parallel' : rule,
        label: `${workers} x ${steps}`,
        bytesPerToken: trafficOf(results[0]!).bytesPerToken,
        losses: results.map(({ course }) => course.loss),
      }
    }),
  )
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, each) => sum + each, 0) / values.length
}

function spread(values: readonly number[]): number {
  return Math.max(...values) - Math.min(...values)
}
