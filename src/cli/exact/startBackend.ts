import { availableParallelism } from 'node:os'
import type { Backend } from '../../exact/Backend.ts'
import { reference } from '../../exact/reference.ts'
import { startWasm } from '../../exact/wasm/startWasm.ts'
import { BaseError } from '../../runtime/Errors.ts'

/**
 * The back end of a command; which one, and with how many threads, changes no bit.
 *
 * @throws {UnknownBackendError} when there is none of that name.
 */
export async function startBackend(
  name: string,
  { threads = Math.min(4, availableParallelism()) }: { threads?: number | undefined } = {},
): Promise<Backend & AsyncDisposable> {
  if (name === 'wasm') return await startWasm({ threads })
  if (name === 'reference') return { ...reference, [Symbol.asyncDispose]: () => Promise.resolve() }
  throw new UnknownBackendError(name)
}

/** Thrown when a command names a back end that does not exist. */
class UnknownBackendError extends BaseError {
  override readonly code = 'Cli.UnknownBackendError'

  constructor(name: string) {
    super(`There is no back end ${JSON.stringify(name)}: give wasm or reference.`)
  }
}
