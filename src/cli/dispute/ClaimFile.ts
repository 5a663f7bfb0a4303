import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import * as z from 'zod/mini'
import * as Completion from '../../protocol/Completion.ts'
import * as ExactClaim from '../../protocol/ExactClaim.ts'
import type * as Hex from '../../protocol/Hex.ts'
import * as Json from '../../protocol/Json.ts'
import { BaseError } from '../../runtime/Errors.ts'
import { writeAtomically } from '../exact/writeAtomically.ts'
import { readBytes } from '../readBytes.ts'

/** A signed claim, with the request whose answer it is about where it is about one. */
export type ClaimFile = z.infer<typeof schema>

const schema = z.object({ claim: ExactClaim.schema, request: z.optional(Completion.request) })

/**
 * Reads a claim from a file: a signed claim, or anything that has one as `claim`, such as a job's evidence or
 * what `weft ask --json` prints.
 *
 * @throws {ClaimFileError} when there is none in it.
 */
export function read(path: string): ClaimFile {
  const bytes = readBytes(path)
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes))
    const isWhole = typeof value === 'object' && value !== null && 'claim' in value
    return Json.parse(schema, isWhole ? value : { claim: value }, { what: 'claim' })
  } catch (cause) {
    throw new ClaimFileError({ path, cause })
  }
}

/** Keeps a claim for `weft dispute play`, in the party's home. */
export function keep(home: string, id: Hex.Hex, file: ClaimFile): string {
  const folder = folderOf(home)
  mkdirSync(folder, { recursive: true })
  const path = join(folder, `${id}.json`)
  writeAtomically(path, `${Json.stringify(file)}\n`)
  return path
}

/** A claim that was kept. */
export function find(home: string, id: Hex.Hex): ClaimFile | undefined {
  const path = join(folderOf(home), `${id}.json`)
  return existsSync(path) ? read(path) : undefined
}

function folderOf(home: string): string {
  return join(home, 'disputes')
}

/** Thrown when a file holds no signed claim. */
class ClaimFileError extends BaseError {
  override readonly code = 'Cli.ClaimFileError'

  constructor({ path, cause }: { path: string; cause: unknown }) {
    super('The file holds no signed claim.', {
      cause,
      metaMessages: [
        `File: ${path}`,
        `Reason: ${cause instanceof Error ? cause.message : String(cause)}`,
        'Fix: give what `weft dispute claim` wrote, or what `weft ask --tier exact --json` printed.',
      ],
    })
  }
}
