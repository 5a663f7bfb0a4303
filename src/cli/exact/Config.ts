import { parseDocument } from 'yaml'
import * as z from 'zod/mini'
import { decoderOf } from '../../exact/models/decoderOf.ts'
import type { Optimiser } from '../../exact/optimise.ts'
import type { Recipe } from '../../exact/train/Recipe.ts'
import { BaseError } from '../../runtime/Errors.ts'
import { defaultConfig } from './defaultConfig.ts'

/** What a run is started with: what it follows from, and how it is gone about. */
export type Settings = {
  readonly recipe: Recipe
  readonly steps: number
  readonly seed: readonly [number, number]
  readonly threads?: number | undefined
  readonly checkpointEvery: number
}

/** A field that holds a whole number, and how it is told when it does not. */
export const whole = (min: number, max: number) => {
  const error = `give a whole number from ${min} to ${max}`
  return z.int({ error }).check(z.minimum(min, { error }), z.maximum(max, { error }))
}
/** The same for numbers. */
export const number = (min: number, max: number) => {
  const error = `give a number from ${min} to ${max}`
  return z.number({ error }).check(z.minimum(min, { error }), z.maximum(max, { error }))
}
/** The same for words. */
export const oneOf = <const T extends readonly string[]>(names: T) =>
  z.enum(names, { error: `give one of ${names.join(', ')}` })
const flag = z.boolean({ error: 'give true or false' })
/** Fields of a file, no others. */
export const fields = <T extends z.core.$ZodLooseShape>(shape: T) =>
  z.strictObject(shape, {
    error: (issue) => (issue.code === 'invalid_type' ? 'give fields below it' : undefined),
  })

const profile = oneOf(['f32', 'i8', 'i8x3'])
const profiles = fields({ attention: profile, feedForward: profile, head: profile })
const sizes = {
  // Tokens are bytes.
  vocabulary: whole(2, 256),
  width: whole(1, 16_384),
  layers: whole(1, 256),
  heads: whole(1, 256),
  keyHeads: whole(1, 256),
  headSize: whole(2, 1024),
  hidden: whole(1, 65_536),
  feedForward: oneOf(['swiglu', 'relu-squared']),
  positions: whole(2, 2 ** 20),
  rotaryBase: number(1, 1e9),
  epsilon: number(0, 1),
  isTied: flag,
}
const adamw = fields({
  kind: z.literal('adamw'),
  beta1: z.optional(number(0, 0.999_999)),
  beta2: z.optional(number(0, 0.999_999)),
  epsilon: z.optional(number(0, 1)),
  weightDecay: z.optional(number(0, 10)),
})
const sgd = fields({
  kind: z.literal('sgd'),
  momentum: number(0, 0.999_999),
  weightDecay: z.optional(number(0, 10)),
})
const kindOf = { error: 'give kind: adamw or kind: sgd' }
const rows = whole(1, 65_536)
const length = whole(1, 2 ** 20)
const clipNorm = number(1e-9, 1e9)
const rate = number(0, 1000)
const steps = whole(1, 2 ** 31)

/** The sizes of a decoder, all of them, as they stand in a run's file and in a checkpoint. */
export const decoder = fields({ ...sizes, vocabulary: whole(2, 2 ** 22), profiles })

/** All that a run follows from, as it stands in its file. */
export const recipe = fields({
  model: decoder,
  rows,
  length,
  optimiser: z.discriminatedUnion('kind', [adamw, sgd], kindOf),
  schedule: fields({
    rate,
    warmupSteps: z.optional(whole(0, 2 ** 31)),
    decay: z.optional(fields({ steps, floor: number(0, 1) })),
  }),
  clipNorm: z.optional(clipNorm),
})

const file = fields({
  model: z.optional(z.partial(fields(sizes))),
  profile: z.optional(z.union([profile, profiles], { error: 'give f32, i8 or i8x3' })),
  optimiser: z.optional(
    z.discriminatedUnion(
      'kind',
      [adamw, z.extend(sgd, { momentum: z.optional(number(0, 0.999_999)) })],
      kindOf,
    ),
  ),
  schedule: z.optional(
    z.partial(
      fields({
        rate,
        warmupSteps: whole(0, 2 ** 31),
        decay: oneOf(['cosine', 'none']),
        floor: number(0, 1),
      }),
    ),
  ),
  clipNorm: z.optional(z.nullable(clipNorm)),
  rows: z.optional(rows),
  length: z.optional(length),
  steps: z.optional(steps),
  seed: z.optional(whole(0, Number.MAX_SAFE_INTEGER)),
  threads: z.optional(z.nullable(whole(1, 8))),
  checkpointEvery: z.optional(whole(1, 2 ** 31)),
})

type File = z.output<typeof file>

/** What the command line says instead of the file. */
export type Overrides = Pick<File, 'steps' | 'seed' | 'threads' | 'checkpointEvery'>

/**
 * Reads settings from YAML (or JSON, which is YAML): whatever is not there is as in `defaultConfig`.
 *
 * @throws {ConfigError} naming every field that is wrong, and what it may be.
 */
export function parse(text: string, overrides: Overrides = {}): Settings {
  return from(readYaml(text), overrides)
}

/**
 * What a YAML file holds, before anything is known of it.
 *
 * @throws {ConfigError} when it is not YAML, or longer than settings are.
 */
export function readYaml(text: string): unknown {
  if (text.length > longestConfig)
    throw new ConfigError([`It is longer than ${longestConfig} characters.`])
  const document = parseDocument(text)
  if (document.errors.length > 0)
    throw new ConfigError(document.errors.map(({ message }) => message.split(':\n')[0]!))
  try {
    return document.toJS({ maxAliasCount: 100 })
  } catch (cause) {
    throw new ConfigError([cause instanceof Error ? cause.message : String(cause)])
  }
}

/** Settings from what a file holds. Throws as `parse` does. */
export function from(value: unknown, overrides: Overrides = {}): Settings {
  return settingsOf({ ...check(file, value ?? {}, defaultConfig), ...defined(overrides) })
}

/**
 * Fields of a file, where they are sound.
 *
 * @param defaults the file with all fields, which an unknown field is compared with.
 * @throws {ConfigError} naming every field that is wrong.
 */
export function check<T>(schema: z.ZodMiniType<T>, value: unknown, defaults: string): T {
  const result = z.safeParse(schema, value)
  if (result.success) return result.data
  throw new ConfigError(result.error.issues.map((issue) => told(issue, value, defaults)))
}

const longestConfig = 64 * 1024

function settingsOf(config: File): Settings {
  const { model = {}, profile: wanted = 'f32', seed = 1, steps: count = 600 } = config
  const { rows: many = 8, length: long = 64, checkpointEvery = 50, clipNorm: norm = 1 } = config
  const { positions = Math.max(256, long), ...rest } = model
  const sized = decoderOf({
    ...defined(rest),
    positions,
    keyHeads: rest.keyHeads ?? keyHeads(rest),
  })
  const products = typeof wanted === 'string' ? decoderOf({ profile: wanted }).profiles : wanted
  const optimiser = optimiserOf(config.optimiser)
  const { decay = 'cosine', floor = 0.1, ...schedule } = config.schedule ?? {}
  const { rate: peak = optimiser.kind === 'adamw' ? 0.003 : 0.3, warmupSteps = 10 } = schedule
  return {
    recipe: {
      model: { ...sized, profiles: products },
      rows: many,
      length: long,
      optimiser,
      schedule: {
        rate: peak,
        warmupSteps,
        ...(decay === 'cosine' ? { decay: { steps: count, floor } } : {}),
      },
      ...(norm === null ? {} : { clipNorm: norm }),
    },
    steps: count,
    seed: seedOf(seed),
    threads: config.threads ?? undefined,
    checkpointEvery,
  }
}

/** The two words of a seed. */
export function seedOf(seed: number): readonly [number, number] {
  return [seed % 2 ** 32, Math.floor(seed / 2 ** 32)]
}

/** Two heads share their keys, where there are two. */
function keyHeads({ heads = 4 }: { heads?: number | undefined }): number {
  return heads % 2 === 0 ? heads / 2 : heads
}

function optimiserOf(config: File['optimiser']): Optimiser {
  if (config?.kind === 'sgd') return { momentum: 0.9, ...defined(config) }
  return { kind: 'adamw', ...defined(config ?? {}) }
}

function told(issue: z.core.$ZodIssue, config: unknown, defaults: string): string {
  const path = issue.path.map(String)
  const name = path.length > 0 ? path.join('.') : 'The file'
  if (issue.code === 'unrecognized_keys') {
    const known = Object.keys(at(parseDocument(defaults).toJS(), path) ?? {})
    const keys = issue.keys.map((key) => [...path, key].join('.')).join(', ')
    return `${keys}: there is no such field; those here are ${known.join(', ')}`
  }
  const found = JSON.stringify(at(config, path)) ?? 'nothing'
  return `${name}: ${issue.message || 'is not what it should be'}, not ${found.slice(0, 40)}`
}

function at(value: unknown, path: readonly string[]): object | undefined {
  return path.reduce<unknown>(
    (inner, key) => (inner as Partial<Record<string, unknown>> | undefined)?.[key],
    value,
  ) as object | undefined
}

/** Without fields that are undefined. */
function defined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>
  }
}

/** Thrown when settings cannot be read; the message names each field. */
export class ConfigError extends BaseError {
  override readonly code = 'Cli.ConfigError'

  constructor(reasons: readonly string[]) {
    super(`The settings are not sound: ${reasons[0]}.`, {
      metaMessages: [
        ...reasons.slice(1, 20).map((reason) => `Also: ${reason}.`),
        'Fix: the same command with --print-config prints a file with every field and what it is for.',
      ],
    })
  }
}
