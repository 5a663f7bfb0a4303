import * as z from 'zod/mini'
import {
  aggregations,
  privacies,
  rules,
  tiers,
  trainers,
} from '../../protocol/training/TrainingOrder.ts'
import { epsilonOf } from '../../training/private/Budget.ts'
import * as Exact from '../exact/Config.ts'
import { defaultConfig } from './defaultConfig.ts'

/** What a run is started with: what each worker computes, and on which terms they work together. */
export type Settings = Pick<Exact.Settings, 'recipe' | 'seed' | 'threads'> & {
  readonly terms: Terms
}

/** The terms of a run, as they go into its order, and how its node keeps it. */
export type Terms = {
  readonly rounds: number
  readonly steps: number
  readonly trainer: (typeof trainers)[number]
  readonly rule: (typeof rules)[number]
  readonly keptFirst: number
  readonly keptLast: number
  readonly fragments: number
  readonly aggregation: (typeof aggregations)[number]
  readonly toleratedShare: number
  readonly outerRate: number
  readonly outerMomentum: number
  readonly overlap: boolean
  readonly privacy: (typeof privacies)[number]
  readonly clipNorm: number
  readonly noise: number
  readonly epsilon: number | null
  readonly delta: number
  readonly minWorkers: number
  readonly maxWorkers: number
  readonly roundSeconds: number
  readonly auditShare: number
  readonly priceUsd: number
  readonly budgetUsd: number
  readonly tier: (typeof tiers)[number]
  readonly bondUsd: number
  readonly deadlineHours: number | null
  readonly keepRounds: number | null
  readonly checkpointEvery: number
}

const { whole, number, fields } = Exact
const defaults: Terms = {
  rounds: 60,
  steps: 10,
  trainer: 'exact',
  rule: 'sparse',
  keptFirst: 1024,
  keptLast: 64,
  fragments: 4,
  aggregation: 'mean',
  toleratedShare: 0.25,
  outerRate: 0.7,
  outerMomentum: 0,
  overlap: false,
  privacy: 'none',
  clipNorm: 1,
  noise: 0,
  epsilon: null,
  delta: 0.000_01,
  minWorkers: 1,
  maxWorkers: 100,
  roundSeconds: 120,
  auditShare: 0.1,
  priceUsd: 0.000_01,
  budgetUsd: 1,
  tier: 'unverified',
  bondUsd: 1,
  deadlineHours: null,
  keepRounds: null,
  checkpointEvery: 10,
}
const terms = z.partial(
  fields({
    rounds: whole(1, 1_000_000),
    steps: whole(1, 1000),
    trainer: z.enum(trainers),
    rule: z.enum(rules),
    keptFirst: whole(1, 4096),
    keptLast: whole(1, 4096),
    fragments: whole(1, 1024),
    aggregation: z.enum(aggregations),
    toleratedShare: number(0, 0.5),
    outerRate: number(0.000_001, 100),
    outerMomentum: number(0, 0.999),
    overlap: z.boolean(),
    privacy: z.enum(privacies),
    clipNorm: number(0.000_001, 4000),
    noise: number(0, 16),
    epsilon: z.nullable(number(0.001, 4000)),
    delta: number(1e-12, 0.5),
    minWorkers: whole(1, 1000),
    maxWorkers: whole(1, 1000),
    roundSeconds: whole(1, 86_400),
    auditShare: number(0, 1),
    priceUsd: number(0, 1000),
    budgetUsd: number(0, 1e9),
    tier: z.enum(tiers),
    bondUsd: number(0.01, 1e6),
    deadlineHours: z.nullable(number(0.001, 10_000)),
    keepRounds: z.nullable(whole(4, 1_000_000)),
    checkpointEvery: whole(1, 1_000_000),
  }),
)
const file = z.catchall(z.object({ run: z.optional(terms) }), z.unknown())

/** What the command line says instead of the file. */
export type Overrides = {
  rounds?: number | undefined
  seed?: number | undefined
  threads?: number | undefined
}

/**
 * Reads settings from YAML: whatever is not there is as in `defaultConfig`. The learning rate falls over all
 * steps of all rounds.
 *
 * @throws {ConfigError} naming every field that is wrong, and what it may be.
 */
export function parse(text: string, overrides: Overrides = {}): Settings {
  const { run: given, ...rest } = Exact.check(file, Exact.readYaml(text) ?? {}, defaultConfig)
  const { rounds = given?.rounds ?? defaults.rounds, ...others } = overrides
  const usual = { ...defaults, ...(given?.privacy === 'sums' ? ofSums : {}) }
  const agreed = { ...usual, ...given, rounds } as Terms
  for (const name of ['steps', 'checkpointEvery'])
    if (name in rest)
      throw new Exact.ConfigError([`${name}: it belongs below run, where it counts rounds`])
  if (agreed.keptLast > agreed.keptFirst)
    throw new Exact.ConfigError(['run.keptLast: it is at most run.keptFirst'])
  if (agreed.minWorkers > agreed.maxWorkers)
    throw new Exact.ConfigError(['run.minWorkers: it is at most run.maxWorkers'])
  if (agreed.rule === 'data-parallel' && (agreed.steps !== 1 || agreed.overlap))
    throw new Exact.ConfigError(['run.rule: data-parallel takes run.steps 1 and no run.overlap'])
  const problems = privacyProblems(agreed)
  if (problems.length > 0) throw new Exact.ConfigError(problems)
  const steps = agreed.rounds * agreed.steps
  const { recipe, seed, threads } = Exact.from(rest, { ...others, steps })
  const { optimiser } = recipe
  if (agreed.rule === 'data-parallel' && (optimiser.kind !== 'sgd' || optimiser.momentum !== 0))
    throw new Exact.ConfigError([
      'optimiser: workers of data-parallel send gradients, so it is { kind: sgd, momentum: 0 }',
    ])
  return { recipe, seed, threads, terms: agreed }
}

/** What goes without saying of private runs: dense updates, which nobody can audit, of three workers at least. */
const ofSums = { rule: 'diloco', auditShare: 0, minWorkers: 3 } as const

function privacyProblems(agreed: Terms): readonly string[] {
  const { privacy, noise, epsilon, delta } = agreed
  if (privacy === 'none')
    return noise > 0 ? ['run.noise: it takes run.privacy sums, which hides it in a sum'] : []
  const isDense = agreed.rule === 'diloco' && agreed.aggregation === 'mean' && !agreed.overlap
  const wrong = [
    [isDense, 'run.privacy: sums takes run.rule diloco, run.aggregation mean and no run.overlap'],
    [agreed.auditShare === 0, 'run.auditShare: with privacy sums it is 0'],
    [agreed.minWorkers >= 3, 'run.minWorkers: with privacy sums it is at least 3'],
    [noise === 0 || noise >= 0.001, 'run.noise: it is 0, or 0.001 to 16'],
    [noise === 0 || epsilon !== null, 'run.epsilon: say what the noise is to keep, at run.delta'],
    [noise > 0 || epsilon === null, 'run.epsilon: without run.noise nothing keeps it'],
    [
      noise === 0 || epsilon === null || epsilonOf(1 / (2 * noise ** 2), delta) <= epsilon,
      `run.epsilon: one sum with this noise costs ${epsilonOf(1 / (2 * noise ** 2), delta).toFixed(3)}`,
    ],
  ] as const
  return wrong.flatMap(([isRight, problem]) => (isRight ? [] : [problem]))
}
