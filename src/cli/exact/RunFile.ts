import { existsSync } from 'node:fs'
import { join } from 'node:path'
import * as z from 'zod/mini'
import type { Hash, Origin } from '../../exact/run/Claim.ts'
import { isHash } from '../../exact/run/Claim.ts'
import * as Json from '../../protocol/Json.ts'
import { BaseError } from '../../runtime/Errors.ts'
import { readBytes } from '../readBytes.ts'
import * as Config from './Config.ts'
import { onDisk } from './DiskError.ts'
import { writeAtomically } from './writeAtomically.ts'

const hash = z.custom<Hash>(isHash)
const word = z.int().check(z.minimum(0), z.maximum(0xffff_ffff))
const claim = {
  version: z.literal(1),
  graphCid: z.string().check(z.regex(/^b[a-z2-7]{20,100}$/)),
  graphRoot: hash,
  startRoot: hash,
  dataRoot: hash,
  seed: z.readonly(z.tuple([word, word])),
  steps: z.int().check(z.minimum(1), z.maximum(2 ** 31)),
  /** Both are there when the run is finished. */
  finalRoot: z.optional(hash),
  runRoot: z.optional(hash),
}
const schema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('training'),
    ...claim,
    data: z.strictObject({
      /** Where it was, seen from the run's folder. */
      file: z.string().check(z.minLength(1), z.maxLength(4096)),
      bytes: z.int().check(z.minimum(1)),
    }),
    recipe: Config.recipe,
  }),
  z.strictObject({ kind: z.literal('generation'), ...claim, model: Config.decoder }),
])

/**
 * `run.json`, the file that says what a run is: of which graph, from which state, data and seed, how many
 * steps, and when it is finished to which roots it came. That is what a receipt for exact work carries.
 */
export type RunFile = z.output<typeof schema>
export type Training = Extract<RunFile, { kind: 'training' }>
export type Generation = Extract<RunFile, { kind: 'generation' }>

/** @throws {RunFileError} when the folder holds no run or its file is not sound. */
export function read(folder: string): RunFile {
  if (!exists(folder)) throw new RunFileError({ folder, reason: 'there is no run.json in it' })
  try {
    return Json.decode(schema, readBytes(join(folder, name)), { what: name })
  } catch (cause) {
    throw new RunFileError({ folder, reason: 'its run.json is not sound', cause })
  }
}

/** Whether a folder holds a run. */
export function exists(folder: string): boolean {
  return existsSync(join(folder, name))
}

/**
 * Writes it whole or not at all.
 *
 * @throws {DiskError} when it cannot be written.
 */
export function write(folder: string, run: RunFile): void {
  const text = `${JSON.stringify(run, null, 2)}\n`
  onDisk(folder, `${name} cannot be written`, () => writeAtomically(join(folder, name), text))
}

/** What the run follows from. */
export function originOf({ graphCid, graphRoot, startRoot, dataRoot, seed }: RunFile): Origin {
  return { graphCid, graphRoot, startRoot, dataRoot, seed }
}

const name = 'run.json'

/** Thrown when a folder holds no sound run. */
export class RunFileError extends BaseError {
  override readonly code = 'Cli.RunFileError'

  constructor({ folder, reason, cause }: { folder: string; reason: string; cause?: unknown }) {
    super(`${folder} holds no run: ${reason}.`, {
      cause,
      metaMessages: [
        ...(cause instanceof Error ? [`Reason: ${cause.message}`] : []),
        'Fix: name the folder that `weft exact train` wrote.',
      ],
    })
  }
}
