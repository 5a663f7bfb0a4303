import { readFileSync } from 'node:fs'
import { BaseError } from '../runtime/Errors.ts'

/**
 * Reads a file named on the command line.
 *
 * @throws {FileError} when it cannot be read.
 */
export function readBytes(path: string): Uint8Array<ArrayBuffer> {
  try {
    return readFileSync(path)
  } catch (cause) {
    throw new FileError({ path, cause })
  }
}

/** Thrown when a file named on the command line cannot be read. */
export class FileError extends BaseError {
  override readonly code = 'Cli.FileError'

  constructor({ path, cause }: { path: string; cause: unknown }) {
    super('The file cannot be read.', {
      cause,
      metaMessages: [
        `File: ${path}`,
        `Reason: ${cause instanceof Error ? cause.message : String(cause)}`,
      ],
    })
  }
}
