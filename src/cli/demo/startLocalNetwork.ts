import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Chain } from '../../chain/Chain.ts'
import * as Identity from '../../protocol/Identity.ts'
import type * as Hex from '../../protocol/Hex.ts'
import type { Clock } from '../../runtime/Clock.ts'
import { BaseError } from '../../runtime/Errors.ts'
import { systemRandom } from '../../runtime/systemRandom.ts'
import { connectChain } from '../connectChain.ts'
import { createKey } from '../keys.ts'
import * as Home from '../Home.ts'
import * as NetworkFile from '../NetworkFile.ts'
import { freePort } from '../freePort.ts'
import { startSupervisor, type Supervisor } from '../startSupervisor.ts'
import { makeModels, type DemoModels } from './makeModels.ts'
import type { Printer } from './printer.ts'

/** A running network of processes on this machine. */
export type LocalNetwork = AsyncDisposable & {
  /** Folder of all its parts, and its network file. */
  readonly home: string
  readonly file: string
  /** Starts one more part: `weft COMMAND`, with the options that all have. */
  readonly start: (
    name: string,
    command: readonly string[],
    options: Readonly<Record<string, unknown>>,
  ) => ReturnType<Supervisor['start']>
  readonly supervisor: Supervisor
  readonly chain: Chain
  readonly buyer: Hex.Address
  readonly providers: readonly Hex.Address[]
  /** Buys exact answers by itself, without the gateway. */
  readonly customer: Hex.Address
  readonly validator: Hex.Address
  /** Who trains together; the first of them orders and pays. None with `--no-training`. */
  readonly trainers: readonly Hex.Address[]
  /** The one of them that lies. */
  readonly liar: Hex.Address | undefined
  /** The provider that serves another model than it says; undefined with `--upstream`. */
  readonly cheat: Hex.Address | undefined
  /** Whether exact answers are for sale, and the cheat sells wrong ones. */
  readonly isExact: boolean
  /** The name that they are sold under. */
  readonly exactModel: string
  /** Runs a command as the customer and gives its lines. */
  readonly asCustomer: (...args: readonly string[]) => Promise<readonly string[]>
  /** Micro-USD made for the parties when the chain began. */
  readonly minted: bigint
  readonly model: string
  readonly apiKey: string
  readonly urls: { readonly gateway: string; readonly explorer: string }
}

/** What each party begins with on the local chain, and what a provider stakes of it. */
const walletMicroUsd = 100_000_000n
const stakeUsd = '20'

/** How long to wait for a lease with all providers, before any will do: on a new network all give one. */
const patienceMs = { fresh: 100_000, known: 20_000 }

/** Starts anvil, contracts, a bootstrap node, four providers, a validator, a gateway and the explorer, each its own process. */
export async function startLocalNetwork(
  { clock, say }: { clock: Clock; say: Printer },
  options: startLocalNetwork.Options,
): Promise<LocalNetwork> {
  await using stack = new AsyncDisposableStack()
  const { home } = options
  const folder = (name: string) => join(home, name)
  const isFresh = !existsSync(join(home, 'network.json'))
  mkdirSync(folder('logs'), { recursive: true, mode: 0o700 })
  const random = systemRandom()
  const party = (name: string) => Home.identity(folder(name), { random })
  const names = ['provider-1', 'provider-2', 'provider-3'] as const
  const server = options.training ? [serverName] : []
  const providers = [...names, exactName, ...server].map((name) => party(name))
  const trainers = options.training ? trainerNames.map((name) => party(name)) : []
  const [buyer, validator, bootstrap, customer] = [
    'gateway',
    'validator',
    'bootstrap',
    'customer',
  ].map(party) as [Identity.Identity, Identity.Identity, Identity.Identity, Identity.Identity]
  const models = await say.step('model files are ready', () =>
    makeModels(folder('models'), options),
  )
  const supervisor = stack.use(
    startSupervisor(
      { clock },
      {
        logDirectory: folder('logs'),
        statusFile: folder('processes.json'),
        onRestart: (name, reason) => say.line(`  ${name} died (${reason}); starting it again`),
      },
    ),
  )

  const paid = [...providers, buyer, validator, customer, ...trainers.slice(0, 1)]
  const { chain, file } = await say.step('chain and contracts are up', async () => {
    const network = join(home, 'network.json')
    const mints = paid.flatMap(({ address }) => ['--mint', `${address}=${walletMicroUsd}`])
    const port = await freePort()
    await supervisor.start('chain', [
      'chain',
      ...flags({ home: folder('chain'), network, port }),
      ...mints,
    ])
    const connected = await connectChain(NetworkFile.read(network), { identity: buyer, clock })
    return { file: network, chain: stack.use(connected) }
  })

  const start = (
    name: string,
    command: string | readonly string[],
    options: Readonly<Record<string, unknown>> = {},
  ) =>
    supervisor.start(name, [
      ...[command].flat(),
      ...flags({ home: folder(name), network: file, 'log-level': 'info', ...options }),
    ])
  const listen = '/ip4/127.0.0.1/tcp/0'
  await say.step('bootstrap node is up', async () => {
    const port = await freePort()
    NetworkFile.write(file, {
      ...NetworkFile.read(file),
      bootstrap: [`/ip4/127.0.0.1/tcp/${port}/p2p/${bootstrap.peerId}`],
      validators: models.verifiable ? [validator.address] : [],
    })
    await start('bootstrap', 'bootstrap', { port })
  })

  await say.step('the providers have registered and sell', async () => {
    const shared = { listen, stake: stakeUsd, region: 'local', threads: 1, 'claim-after': 3 }
    await Promise.all([
      ...names.map((name, index) =>
        start(name, 'provide', { ...shared, ...providerOptions(models, index) }),
      ),
      ...(models.verifiable && models.isExact
        ? [start(exactName, 'provide', { ...shared, ...exactOptions(models) })]
        : []),
    ])
  })

  const apiKey = await keepKey(folder('gateway'))
  const urls = await say.step('validator, gateway and explorer are up', async () => {
    const tier = models.verifiable ? 'statistical' : 'unverified'
    const [gateway, explorer] = await Promise.all([
      start('gateway', 'gateway', {
        listen,
        tier,
        port: await freePort(options.gatewayPort),
        deposit: 40,
        'verdict-seconds': options.verdictSeconds,
        warm: models.id,
      }),
      start('explorer', 'explorer', { listen, port: await freePort(options.explorerPort) }),
      models.verifiable
        ? start('validator', 'validate', {
            listen,
            weights: models.weights,
            ...(models.isExact ? { exact: true, challenge: true } : {}),
          })
        : undefined,
    ])
    return { gateway: String(gateway['url']), explorer: String(explorer['url']) }
  })

  await say.step('the gateway has leases with the providers', async () => {
    const startedAt = clock.now()
    await until({ clock }, async () => {
      // A provider that was found cheating in an earlier run gets no lease any more.
      const patient = clock.now() < startedAt + patienceMs[isFresh ? 'fresh' : 'known']
      return (await countLeases(urls.gateway, apiKey)) >= (patient ? names.length : 1)
    })
  })

  const owned = stack.move()
  return {
    home,
    file,
    start: (name, command, options) => start(name, command, { listen, ...options }),
    supervisor,
    chain,
    buyer: buyer.address,
    providers: providers.map(({ address }) => address),
    customer: customer.address,
    validator: validator.address,
    trainers: trainers.map(({ address }) => address),
    liar: trainers[2]?.address,
    cheat: models.verifiable ? providers[2]!.address : undefined,
    isExact: models.verifiable && models.isExact,
    exactModel: exactId(models.id),
    asCustomer: (...args) =>
      runWeft([...args, ...flags({ home: folder('customer'), network: file, listen })]),
    minted: walletMicroUsd * BigInt(paid.length),
    model: models.id,
    apiKey,
    urls,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

export declare namespace startLocalNetwork {
  type Options = {
    home: string
    model?: string | undefined
    upstream?: string | undefined
    dispute: boolean
    training: boolean
    gatewayPort: number
    explorerPort: number
    /** How long a delivered answer waits for its verdict. */
    verdictSeconds: number
  }
}

/** The key of earlier starts, or a new one; jobs belong to the key that bought them. */
async function keepKey(home: string): Promise<string> {
  const path = join(home, 'demo-key')
  if (existsSync(path)) return readFileSync(path, 'utf8').trim()
  const secret = await createKey(home, { name: 'demo', capMicroUsd: 50_000_000n, operator: true })
  writeFileSync(path, `${secret}\n`, { mode: 0o600 })
  return secret
}

/** The third provider says it serves the model and serves another one. */
function providerOptions(models: DemoModels, index: number): Record<string, unknown> {
  const prices = {
    'price-input': (0.1 + index / 50).toFixed(2),
    'price-output': (0.4 + index / 20).toFixed(2),
  }
  if (!models.verifiable) return { ...prices, upstream: models.upstream }
  const file = { model: models.path, 'model-id': models.id }
  const cheat = { 'cheat-with': models.otherPath }
  return { ...prices, ...file, ...(index === 2 ? cheat : {}) }
}

/** The fourth provider sells exact answers, and computes them with one wrong bit. */
function exactOptions({ path, id }: { path: string; id: string }): Record<string, unknown> {
  return { model: path, 'model-id': exactId(id), engine: 'exact', 'cheat-bit': wrongBit }
}

const exactName = 'provider-4'
/** A name of its own: bids of other prices would decide in the auctions for the first one what all are paid. */
const exactId = (id: string) => `${id}-exact`
/** Serves what was trained. */
export const serverName = 'provider-5'
const trainerNames = ['trainer-1', 'trainer-2', 'trainer-3', 'trainer-4']

/** A bit of the first model's weights that shows in its answers. */
const wrongBit = 'model.layers.0.self_attn.v_proj.weight:3070'

/** Options as a command line writes them. */
function flags(options: Readonly<Record<string, unknown>>): readonly string[] {
  return Object.entries(options).flatMap(([name, value]) =>
    value === true ? [`--${name}`] : [`--${name}`, String(value)],
  )
}

/** Runs a `weft` command to its end, for two minutes at most. */
async function runWeft(args: readonly string[]): Promise<readonly string[]> {
  const program = join(import.meta.dirname, '..', 'main.ts')
  const { stdout } = await promisify(execFile)(process.execPath, [program, ...args, '--json'], {
    timeout: 120_000,
    maxBuffer: 1 << 24,
  })
  return stdout.trimEnd().split('\n')
}

/** How many leases of the gateway are ready for jobs, or have ended for good. */
async function countLeases(url: string, apiKey: string): Promise<number> {
  const headers = { authorization: `Bearer ${apiKey}` }
  const answer = await fetch(`${url}/v1/weft/leases`, { headers })
  const { leases = [] } = (await answer.json()) as {
    leases?: readonly { provider: string; state: string }[]
  }
  const ready = leases.filter(({ state }) => state === 'ready')
  return new Set(ready.map(({ provider }) => provider)).size
}

/** Asks again and again, for two minutes. */
async function until({ clock }: { clock: Clock }, check: () => Promise<boolean>): Promise<void> {
  const end = clock.now() + 120_000
  while (!(await check())) {
    if (clock.now() > end) throw new NotReadyError()
    await clock.sleep(200)
  }
}

/** Thrown when the parts run but do not find each other. */
class NotReadyError extends BaseError {
  override readonly code = 'Demo.NotReadyError'

  constructor() {
    super('The gateway did not get its leases within two minutes.', {
      metaMessages: [
        'Fix: see the logs in the `logs` folder of the home, and try again with --fresh.',
      ],
    })
  }
}
