import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import type { Chain } from '../chain/Chain.ts'
import { deploy, type Deployment } from '../chain/deploy.ts'
import { startDevnet } from '../chain/devnet.ts'
import { viemChain } from '../chain/viem.ts'
import type * as Hex from '../protocol/Hex.ts'
import type { Clock } from '../runtime/Clock.ts'
import { systemClock } from '../runtime/systemClock.ts'
import { systemRandom } from '../runtime/systemRandom.ts'
import * as Home from './Home.ts'
import { networkPath, withPartyOptions, type PartyOptions } from './joinNetwork.ts'
import * as NetworkFile from './NetworkFile.ts'
import { parseAddress, parseInteger, parsePort } from './parseOptions.ts'
import { run, runUntilStopped } from './run.ts'

type Mint = { readonly to: Hex.Address; readonly amountMicroUsd: bigint }
type ChainOptions = PartyOptions & {
  port: number
  chainId: number
  mint: readonly Mint[]
  withdrawalDelay: number
  unbondingDelay: number
}

/** `weft chain`: a chain of one's own on this machine, with the contracts, its state kept on disk. */
export function chainCommand(): Command {
  const seconds = parseInteger({ min: 0, max: 31_536_000 })
  return withPartyOptions(new Command('chain'))
    .description('run a local chain with the contracts; writes the network file')
    .option('--port <port>', 'port of its JSON-RPC', parsePort, 8545)
    .option('--chain-id <id>', 'its chain id', parseInteger({ min: 1, max: 2 ** 31 }), 31_337)
    .option(
      '--mint <address=microUsd>',
      'give an account test money at the beginning',
      collectMint,
      [],
    )
    .option(
      '--withdrawal-delay <seconds>',
      'between asking and taking a deposit back',
      seconds,
      3600,
    )
    .option('--unbonding-delay <seconds>', 'how long a leaving stake can be slashed', seconds, 7200)
    .action((options: ChainOptions) =>
      run(options, async () => {
        const { home, port, chainId } = options
        const clock = systemClock()
        const deployer = Home.identity(home, { random: systemRandom() })
        await using stack = new AsyncDisposableStack()
        const statePath = join(home, 'anvil.json')
        const devnet = stack.use(
          await startDevnet({ clock, port, chainId, statePath, stateIntervalSeconds: 2 }),
        )
        const { rpcUrl } = devnet
        const deployment = await deploy({
          rpcUrl,
          deployer,
          clock,
          withdrawalDelaySeconds: options.withdrawalDelay,
          unbondingDelaySeconds: options.unbondingDelay,
        })
        const chain = stack.use(
          await viemChain({ rpcUrl, identity: deployer, clock, ...deployment }),
        )
        for (const mint of options.mint) await mintOnce(chain, mint)
        await saved(statePath, clock)

        const path = networkPath(options)
        writeNetwork(path, rpcUrl, deployment)
        if (options.json) console.log(JSON.stringify({ ready: 'chain', rpcUrl, network: path }))
        else
          console.log(
            `Chain at ${rpcUrl}, contracts deployed, network file ${path}. Stop with Ctrl-C.`,
          )
        let stopping = false
        stack.defer(() => void (stopping = true))
        void devnet.exited.then((reason) => stopping || reportEnd(reason))
        await runUntilStopped(stack, options)
      }),
    )
}

/** Mints for an account that has nothing anywhere, so that a restart does not mint again. */
async function mintOnce(chain: Chain, { to, amountMicroUsd }: Mint): Promise<void> {
  const [balance, deposit, earned, registration, credit] = await Promise.all([
    chain.balance(to),
    chain.deposit(to),
    chain.earned(to),
    chain.registration(to),
    chain.credit(to),
  ])
  const held = [
    balance,
    credit.freeMicroUsd,
    credit.reservedMicroUsd,
    deposit.freeMicroUsd,
    deposit.reservedMicroUsd,
    earned,
    registration.stakeMicroUsd,
  ]
  if (held.every((amount) => amount === 0n)) await chain.send({ type: 'mint', to, amountMicroUsd })
}

/** Keeps what earlier starts added to the file. */
function writeNetwork(path: string, rpcUrl: string, { domain, parameters }: Deployment): void {
  const earlier = readEarlier(path)
  const { usd, registry, ...constants } = parameters
  NetworkFile.write(path, {
    name: earlier?.name ?? 'local',
    chainId: domain.chainId,
    rpcUrl,
    contracts: { vault: domain.vault, usd, registry },
    ...constants,
    bootstrap: earlier?.bootstrap ?? [],
    validators: earlier?.validators ?? [],
  })
}

function readEarlier(path: string): NetworkFile.NetworkFile | undefined {
  try {
    return NetworkFile.read(path)
  } catch {
    return undefined
  }
}

function collectMint(text: string, previous: readonly Mint[]): readonly Mint[] {
  const [address = '', amount = ''] = text.split('=')
  if (!/^\d{1,20}$/.test(amount))
    throw new InvalidArgumentError('Expected ADDRESS=AMOUNT with the amount in micro-USD.')
  return [...previous, { to: parseAddress(address), amountMicroUsd: BigInt(amount) }]
}

/** Resolves when everything up to now is in the state file, so that no crash can undo the beginning. */
async function saved(statePath: string, clock: Clock): Promise<void> {
  const since = clock.now()
  const writtenAt = () => (existsSync(statePath) ? statSync(statePath).mtimeMs : 0)
  while (writtenAt() <= since) await clock.sleep(100)
}

/** The chain's process died: so does this one, and whoever keeps it running starts both again. */
function reportEnd(reason: string): never {
  process.stderr.write(`weft: the chain ended: ${reason}\n`)
  process.exit(1)
}
