import type { Clock } from '../runtime/Clock.ts'
import { systemClock } from '../runtime/systemClock.ts'
import { findAnvil, startAnvil } from './anvil.ts'

/** A local chain that answers JSON-RPC on this machine alone. Nobody needs coins there: fees are zero. */
export type Devnet = AsyncDisposable & {
  readonly rpcUrl: string
  readonly port: number
  readonly chainId: number
  readonly program: 'anvil'
  /** The process of the chain. */
  readonly pid: number | undefined
  /** Resolves with the reason when it ends, expected or not. */
  readonly exited: Promise<string>
}

export type DevnetOptions = {
  /** @default a free one */
  port?: number | undefined
  /** @default 31337 */
  chainId?: number | undefined
  /** Seconds between blocks; 0 makes a block for each transaction at once. @default 1 */
  blockTimeSeconds?: number | undefined
  /** Where the chain is kept; it goes on from there. @default it is forgotten */
  statePath?: string | undefined
  /** How often it is written there. @default 5 */
  stateIntervalSeconds?: number | undefined
  signal?: AbortSignal | undefined
}

/**
 * Starts a local chain and resolves when it answers.
 *
 * @throws {StartError} when it does not start, and why.
 */
export async function startDevnet(
  options: DevnetOptions & { clock?: Clock | undefined } = {},
): Promise<Devnet> {
  const { clock = systemClock(), ...rest } = options
  return await startAnvil({ clock, binary: findAnvil()! }, rest)
}
