import type { Chain } from '../chain/Chain.ts'
import type * as Hex from '../protocol/Hex.ts'
import type { Network } from '../network/Network.ts'
import { every, type Clock } from '../runtime/Clock.ts'
import type { Logger } from '../runtime/Logger.ts'
import type * as Api from './Api.ts'
import { followChain } from './followChain.ts'
import { followGossip } from './followGossip.ts'
import { followTraining } from './followTraining.ts'
import { openDatabase, type Database } from './openDatabase.ts'
import { keepClock } from './tables/disputeTables.ts'
import { keepValidators, writePresence } from './tables/gossipTables.ts'
import { defaultLimits, prune, type Limits } from './tables/retention.ts'

/** A running indexer: tables that follow the chain and the gossip. */
export type Indexer = AsyncDisposable & {
  readonly database: Database
  readonly chain: Api.ChainStatus
  readonly domain: Chain['domain']
  /** Counts up with every change of the tables; equal numbers mean equal tables. */
  readonly revision: number
  /** Calls `listener` after each change is in the tables, until the handle is disposed. */
  subscribe(listener: (changes: readonly Api.Change[]) => void): Disposable
}

/**
 * Starts following the chain and the gossip into a SQLite file. What the process misses while it is
 * down it reads from the chain when it is back; gossip of that time is gone.
 *
 * @throws {DatabaseError} when the file cannot be opened.
 */
export async function startIndexer(
  ports: startIndexer.Ports,
  options: startIndexer.Options,
): Promise<Indexer> {
  const { chain, clock, logger, network } = ports
  const { path, validators, depth = 64, messagesPerSecond = 500 } = options
  const { pageBlocks = 5_000, pollMs = 1_000, limits = {} } = options
  const { domain } = chain
  let status: Api.ChainStatus = { state: 'starting', block: null, at: null }
  let revision = 0
  const listeners = new Set<(changes: readonly Api.Change[]) => void>()
  const onChange = (changes: readonly Api.Change[]) => {
    if (changes.length === 0) return
    revision++
    for (const listener of listeners) listener(changes)
  }
  const onStatus = (next: Api.ChainStatus) => {
    const turned = next.state !== status.state
    status = next.block === null ? { ...status, state: next.state } : next
    if (turned) onChange([{ kind: 'chain', id: next.state }])
  }

  await using stack = new AsyncDisposableStack()
  const database = stack.use(openDatabase(path, `${domain.chainId}:${domain.vault}`))
  keepValidators(database, validators)
  keepClock(database, chain.parameters.disputes.clockSeconds)
  const controller = new AbortController()
  const { signal } = controller
  const following: Promise<void>[] = []
  stack.defer(async () => {
    controller.abort()
    await Promise.all(following)
  })
  stack.use(
    followGossip(
      { network, clock, logger, database },
      { domain, messagesPerSecond, onChange, validators },
    ),
  )
  stack.use(
    followTraining({ network, clock, logger, database }, { domain, messagesPerSecond, onChange }),
  )
  following.push(
    followChain(
      { chain, clock, logger, database },
      { depth, onChange, onStatus, pageBlocks, pollMs, signal },
    ),
    keepHouse({ clock, database, logger }, { ...defaultLimits, ...limits }, signal),
  )

  const owned = stack.move()
  return {
    database,
    domain,
    get chain() {
      return status
    },
    get revision() {
      return revision
    },
    subscribe(listener) {
      listeners.add(listener)
      return { [Symbol.dispose]: () => void listeners.delete(listener) }
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

export declare namespace startIndexer {
  type Ports = { chain: Chain; network: Network; clock: Clock; logger: Logger }
  type Options = {
    /** The SQLite file, or `:memory:`. */
    path: string
    /** Whose verdicts count. Those of anybody else are not kept. */
    validators: readonly Hex.Address[]
    /** How often the chain is looked at. @default 1000 */
    pollMs?: number | undefined
    /** Blocks compared with the chain on every look. @default 64 */
    depth?: number | undefined
    /** Blocks asked for at once. @default 5000 */
    pageBlocks?: number | undefined
    /** What one neighbour may send. @default 500 */
    messagesPerSecond?: number | undefined
    limits?: Partial<Limits> | undefined
  }
}

const roundMs = 10_000

/** Notes that we listen (uptime is counted against it), and deletes what is over the limits. */
async function keepHouse(
  ports: { clock: Clock; database: Database; logger: Logger },
  limits: Limits,
  signal: AbortSignal,
): Promise<void> {
  const { clock, database, logger } = ports
  const tidy = () => {
    writePresence(database, 'explorer', Math.floor(clock.now() / 60_000))
    prune(database, limits, clock.now())
  }
  const onError = (error: unknown) =>
    logger.error({ error }, 'The tables could not be tidied; the next round tries again.')
  await every(clock, roundMs, tidy, { signal, onError })
}
