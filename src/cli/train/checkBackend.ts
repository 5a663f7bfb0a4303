import { existsSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import * as z from 'zod/mini'
import * as Compliance from '../../exact/compliance.ts'
import type { Backend } from '../../exact/Backend.ts'
import * as Hex from '../../protocol/Hex.ts'
import * as Json from '../../protocol/Json.ts'
import { BaseError } from '../../runtime/Errors.ts'
import { writeAtomically } from '../exact/writeAtomically.ts'
import * as Home from '../Home.ts'
import { readBytes } from '../readBytes.ts'

/**
 * Runs the compliance suite on a back end, which takes seconds, or remembers that this runtime passed it.
 *
 * @returns the hash over all its outputs.
 * @throws {OtherBitsError} when one output has another bit than it should: nothing it computed would count.
 */
export async function checkBackend(
  backend: Backend,
  { home = process.env['WEFT_HOME'] ?? Home.defaultPath }: { home?: string } = {},
): Promise<Hex.Hex> {
  const wanted = Compliance.suiteHash(Compliance.golden)
  const runtime = `${backend.name} ${process.version} ${process.arch} ${wanted}`
  const path = join(home, 'compliance.json')
  if (!notedIn(path).includes(runtime)) {
    const found = await Compliance.fingerprints(backend)
    const wrong = Object.keys(found).filter((name) => found[name] !== Compliance.golden[name])
    if (wrong.length > 0) throw new OtherBitsError(backend.name, wrong)
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    writeAtomically(path, `${JSON.stringify([runtime, ...notedIn(path)].slice(0, 16))}\n`)
  }
  return `0x${wanted}`
}

function notedIn(path: string): readonly string[] {
  if (!existsSync(path)) return []
  try {
    return Json.decode(z.array(z.string()), readBytes(path), { what: 'compliance.json' })
  } catch {
    return []
  }
}

/** Thrown when a machine computes other bits than the specification says. */
class OtherBitsError extends BaseError {
  override readonly code = 'Cli.OtherBitsError'

  constructor(backend: string, cases: readonly string[]) {
    super(`This machine computes other bits than it should, with the back end ${backend}.`, {
      metaMessages: [
        `Cases: ${cases.slice(0, 5).join(', ')}${cases.length > 5 ? ` and ${cases.length - 5} more` : ''}`,
        'Fix: use another version of Node, or --backend reference, which is slow.',
      ],
    })
  }
}
