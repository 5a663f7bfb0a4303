import { spawnSync } from 'node:child_process'
import type { Clock } from '../runtime/Clock.ts'
import type { Logger } from '../runtime/Logger.ts'
import { silentLogger } from '../runtime/silentLogger.ts'
import { systemClock } from '../runtime/systemClock.ts'
import { findAnvil, startAnvil } from './anvil.ts'

/** A local chain that answers JSON-RPC on this machine alone. Nobody needs coins there: fees are zero. */
export type Devnet = AsyncDisposable & {
  readonly rpcUrl: string
  readonly port: number
  readonly chainId: number
  /** The process of the chain. */
  readonly pid: number
  /** Resolves with the reason when it ends, expected or not. */
  readonly exited: Promise<string>
  /** Resolves when everything up to now is on the disk; at once when nothing is kept there. */
  save(): Promise<void>
}

export type DevnetOptions = {
  /** @default a free one */
  port?: number | undefined
  /** @default 31337 */
  chainId?: number | undefined
  /** Seconds between blocks; 0 makes a block for each transaction at once. @default 1 */
  blockTimeSeconds?: number | undefined
  /** File that the chain is kept in; it goes on from there. @default it is forgotten */
  statePath?: string | undefined
  /** How often it is written there: what `kill -9` can lose. @default 5 */
  stateIntervalSeconds?: number | undefined
  signal?: AbortSignal | undefined
}

/**
 * Starts a local chain and resolves when it answers. With a state file it goes on where it was, also
 * after `kill -9`; a chain that a killed program left running on that file is ended first.
 *
 * @throws {StartError} when it does not start, and why.
 */
export async function startDevnet(
  options: DevnetOptions & {
    clock?: Clock | undefined
    logger?: Logger | undefined
  } = {},
): Promise<Devnet> {
  const { clock = systemClock(), logger = silentLogger(), ...rest } = options
  const binary = findAnvil()
  if (binary !== undefined && canRun(binary))
    return await startAnvil({ clock, logger, binary }, rest)
  const { statePath } = rest
  const reason = `npm has no anvil that runs on ${process.platform} ${process.arch}`
  logger.warn({ reason }, 'Starting a chain inside this process instead; it is slower.')
  const { startEvm } = await import('./evm.ts')
  return await startEvm(
    { clock },
    { ...rest, ...(statePath === undefined ? {} : { statePath: `${statePath}l` }) },
  )
}

/** A binary for another C library is there and does not start. */
function canRun(binary: string): boolean {
  return spawnSync(binary, ['--version'], { stdio: 'ignore' }).status === 0
}
