import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { BaseError } from '../runtime/Errors.ts'
import type { Random } from '../runtime/Random.ts'
import * as Hex from '../protocol/Hex.ts'
import * as Identity from '../protocol/Identity.ts'

/** Where a party keeps its key, its journal and its models. */
export const defaultPath = join(homedir(), '.weft')

/** Makes the folder, for its owner only. */
export function create(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 })
}

/**
 * Reads the party's private key from `key` in its home; makes one at the first call.
 *
 * @throws {KeyFileError} when the file is not a key.
 */
export function identity(path: string, { random }: { random: Random }): Identity.Identity {
  const file = join(path, 'key')
  if (!existsSync(file)) {
    create(path)
    writeFileSync(file, `${Hex.from(random.bytes(32))}\n`, { mode: 0o600, flag: 'wx' })
    chmodSync(file, 0o600)
  }
  const text = readFileSync(file, 'utf8').trim()
  if (!/^0x[0-9a-f]{64}$/.test(text)) throw new KeyFileError({ file })
  return Identity.from(Hex.toBytes(text as Hex.Hex))
}

/** Thrown when the key file does not hold a key. Its content is not repeated. */
export class KeyFileError extends BaseError {
  override readonly code = 'Cli.KeyFileError'

  constructor({ file }: { file: string }) {
    super('The key file does not hold a private key.', {
      metaMessages: [
        `File: ${file}`,
        'Expected: 0x and 64 hexadecimal digits.',
        'Fix: restore it from a backup. Only if no money depends on it, delete it and a new one is made.',
      ],
    })
  }
}
