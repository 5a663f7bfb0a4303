import { join } from 'node:path'
import { Command } from 'commander'
import type { Chain } from '../chain/Chain.ts'
import { libp2pNetwork } from '../network/libp2p.ts'
import type { Network } from '../network/Network.ts'
import type * as Domain from '../protocol/Domain.ts'
import type { Identity } from '../protocol/Identity.ts'
import type { Clock } from '../runtime/Clock.ts'
import type { Logger } from '../runtime/Logger.ts'
import { fileLock } from '../runtime/fileLock.ts'
import { pinoLogger } from '../runtime/pinoLogger.ts'
import type { Random } from '../runtime/Random.ts'
import { sqliteStore } from '../runtime/sqliteStore.ts'
import type { Store } from '../runtime/Store.ts'
import { systemClock } from '../runtime/systemClock.ts'
import { systemRandom } from '../runtime/systemRandom.ts'
import { connectChain } from './connectChain.ts'
import * as Home from './Home.ts'
import * as NetworkFile from './NetworkFile.ts'

/** The real adapters of every port, put together for one party. */
export type Party = AsyncDisposable & {
  readonly home: string
  readonly file: NetworkFile.NetworkFile
  readonly domain: Domain.Domain
  readonly identity: Identity
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly chain: Chain
  /** Dials into the network at the first call. */
  network(): Promise<Network>
  /** Opens the tables of a role in the party's home, for this process alone. */
  store(role: string): Store
}

/** Options that every command which takes part in a network has. */
export type PartyOptions = {
  home: string
  network?: string | undefined
  listen?: readonly string[] | undefined
  logLevel: 'debug' | 'info' | 'warn' | 'error' | 'silent'
  json?: boolean | undefined
  exitWithParent?: boolean | undefined
}

/** Adds those options to a command. */
export function withPartyOptions(command: Command): Command {
  return command
    .option(
      '--home <dir>',
      'folder with the key and the journal',
      process.env['WEFT_HOME'] ?? Home.defaultPath,
    )
    .option(
      '--network <file>',
      'network file (default: $WEFT_NETWORK, or network.json in the home)',
    )
    .option(
      '--listen <multiaddr...>',
      'addresses to listen on (default: a free port on every interface)',
    )
    .option('--log-level <level>', 'debug, info, warn, error or silent', 'warn')
    .option('--json', 'print JSON lines for machines')
    .option('--exit-with-parent', 'stop when standard input ends')
}

/** Opens the chain and the key of a party; network and store are opened when asked for. */
export async function joinNetwork(name: string, options: PartyOptions): Promise<Party> {
  await using stack = new AsyncDisposableStack()
  const { home } = options
  Home.create(home)
  const file = NetworkFile.read(networkPath(options))
  const domain = NetworkFile.domainOf(file)
  const clock = systemClock()
  const random = systemRandom()
  const logger = pinoLogger({ name, level: options.logLevel })
  const identity = Home.identity(home, { random })
  const chain = stack.use(await connectChain(file, { identity, clock }))

  const owned = stack.move()
  let joined: Promise<Network> | undefined
  return {
    home,
    file,
    domain,
    identity,
    clock,
    random,
    logger,
    chain,
    network() {
      joined ??= libp2pNetwork({
        identity,
        clock,
        logger,
        bootstrap: file.bootstrap,
        listen: options.listen,
      }).then((network) => owned.use(network))
      return joined
    },
    store(role) {
      owned.use(fileLock(join(home, `${role}.lock`)))
      return owned.use(sqliteStore(join(home, `${role}.sqlite`)))
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** Where the network file of a command is. */
export function networkPath(options: { home: string; network?: string | undefined }): string {
  return options.network ?? process.env['WEFT_NETWORK'] ?? join(options.home, 'network.json')
}
