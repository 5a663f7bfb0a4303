import { existsSync } from 'node:fs'
import * as z from 'zod/mini'
import type * as Hex from '../../protocol/Hex.ts'
import * as Json from '../../protocol/Json.ts'
import * as TrainingOrder from '../../protocol/training/TrainingOrder.ts'
import { BaseError } from '../../runtime/Errors.ts'
import * as Exact from '../exact/Config.ts'
import { onDisk } from '../exact/DiskError.ts'
import { writeAtomically } from '../exact/writeAtomically.ts'
import { readBytes } from '../readBytes.ts'

/**
 * `run.json`, all that somebody who has the data needs to join a run: the signed order, the recipe of the
 * model that its graph is built from, and where to dial.
 */
export type RunFile = z.output<typeof schema>

const address = z
  .string()
  .check(z.regex(/^0x[0-9a-f]{40}$/)) as unknown as z.ZodMiniType<Hex.Address>
const schema = z.strictObject({
  kind: z.literal('training run'),
  version: z.literal(1),
  /** The network that the order is of; all zeros for a run that is in none. */
  domain: z.strictObject({ chainId: z.int().check(z.minimum(0)), vault: address }),
  order: TrainingOrder.schema,
  recipe: Exact.recipe,
  /** Bytes of the whole data file, of which the last part is held out; 0 where each worker has its own. */
  dataBytes: z.int().check(z.minimum(0)),
  /** Multiaddrs with peer ids. */
  peers: z.array(z.string().check(z.maxLength(512))).check(z.maxLength(64)),
})

/** A run that is in no network: its pay is reckoned, and nobody owes it. */
export const noNetwork = { chainId: 0, vault: `0x${'00'.repeat(20)}` } as const

/** @throws {RunFileError} when there is none, or it is not sound. */
export function read(path: string): RunFile {
  if (!existsSync(path)) throw new RunFileError(path, 'there is no such file')
  try {
    const file = Json.decode(schema, readBytes(path), { what: 'run file' })
    TrainingOrder.verify(file.domain, file.order)
    return file
  } catch (cause) {
    throw new RunFileError(path, cause instanceof Error ? cause.message.split('\n')[0]! : 'unread')
  }
}

/** Writes it whole or not at all. */
export function write(path: string, file: RunFile): void {
  const text = `${JSON.stringify(JSON.parse(Json.stringify(file)), null, 2)}\n`
  onDisk(path, 'The run file cannot be written', () => writeAtomically(path, text))
}

/** Thrown when a file is not one that others join by. */
export class RunFileError extends BaseError {
  override readonly code = 'Cli.TrainingRunFileError'

  constructor(path: string, reason: string) {
    super(`${path} is no run of training to join: ${reason}.`, {
      metaMessages: ['Fix: name the run.json in the folder that `weft train run` made.'],
    })
  }
}
