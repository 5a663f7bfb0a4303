import { basename, dirname, extname, join } from 'node:path'
import { existsSync } from 'node:fs'
import { Command } from 'commander'
import * as TrainingOrder from '../../protocol/training/TrainingOrder.ts'
import type { Identity } from '../../protocol/Identity.ts'
import { BaseError } from '../../runtime/Errors.ts'
import { systemClock } from '../../runtime/systemClock.ts'
import { systemRandom } from '../../runtime/systemRandom.ts'
import { rhoMicroFor } from '../../training/private/Budget.ts'
import { startBackend } from '../exact/startBackend.ts'
import * as Home from '../Home.ts'
import { connectChain } from '../connectChain.ts'
import { parseUsd } from '../money.ts'
import * as NetworkFile from '../NetworkFile.ts'
import { parseInteger } from '../parseOptions.ts'
import { readBytes } from '../readBytes.ts'
import { run } from '../run.ts'
import * as Config from './Config.ts'
import { defaultConfig } from './defaultConfig.ts'
import { expectOrdered, type Prepared, prepareRun } from './prepareRun.ts'
import { readData } from './readData.ts'
import * as RunFile from './RunFile.ts'
import { type NodeOptions, takeFolder, work } from './work.ts'

type RunOptions = NodeOptions &
  Config.Overrides & {
    config?: string
    network?: string
    deposit?: bigint
    relay?: readonly string[]
    home?: string
    printConfig?: boolean
  }

/** Options that every node of a run has. */
export function withNodeOptions(command: Command): Command {
  return command
    .option('--out <dir>', 'folder of the node (default: the name of the data and .run)')
    .option(
      '--host <address>',
      'address that others fetch from (default: the first of this machine)',
    )
    .option(
      '--listen <multiaddr...>',
      'addresses to listen on (default: a free port, on all interfaces)',
    )
    .option(
      '--steps <count>',
      'steps a round on this machine, if it is faster or slower than others',
      parseInteger({ min: 1, max: 4000 }),
    )
    .option(
      '--upload-mbit <rate>',
      'what others may fetch, megabits a second (default: as much as the line takes)',
      parseInteger({ min: 1, max: 1_000_000 }),
    )
    .option(
      '--download-mbit <rate>',
      'what is fetched from others, likewise',
      parseInteger({ min: 1, max: 1_000_000 }),
    )
    .option(
      '--trainer <command>',
      'program that takes the steps in the place of the exact engine, where the run allows any; torch: the one that Weft brings',
    )
    .option('--threads <count>', '1 to 8; changes no bit', parseInteger({ min: 1, max: 8 }))
    .option('--backend <name>', 'wasm, or reference (very slow); changes no bit', 'wasm')
    .option('--home <dir>', "folder with the worker's key (default: the node's folder)")
    .option('--log-level <level>', 'debug, info, warn, error or silent', 'error')
    .option('--json', 'print JSON lines for machines')
    .option('--exit-with-parent', 'stop when standard input ends')
}

/** `weft train run`: orders a run, and is its first worker. */
export function runCommand(): Command {
  return withNodeOptions(new Command('run'))
    .description('begin a run that others can join, and work on it; the same command goes on')
    .option(
      '--data <path>',
      'what to learn from; a text, bytes of another sort, or a folder of texts',
    )
    .option('--config <file>', 'settings in YAML (default: those of --print-config)')
    .option(
      '--rounds <count>',
      'how many rounds, instead of what the settings say',
      parseInteger({ min: 1, max: 1_000_000 }),
    )
    .option(
      '--seed <number>',
      'seed of weights and data order',
      parseInteger({ min: 0, max: Number.MAX_SAFE_INTEGER }),
    )
    .option(
      '--network <file>',
      'network in which workers are paid, and whose relays help those behind NAT (default: none)',
    )
    .option(
      '--relay <multiaddr...>',
      'relays to be reached through where nobody can dial this machine (`weft bootstrap` is one)',
    )
    .option('--deposit <usd>', 'move this much into the vault first, to pay from', parseUsd)
    .option('--print-config', 'print the default settings, with what each is for, and stop')
    .action((options: RunOptions) =>
      run(options, async () => {
        if (options.printConfig) return void process.stdout.write(defaultConfig)
        await start(options)
      }),
    )
}

async function start(options: RunOptions): Promise<void> {
  const { data: path, config } = options
  if (path === undefined) throw new MissingDataError()
  const settings = Config.parse(config ? new TextDecoder().decode(readBytes(config)) : '', {
    rounds: options.rounds,
    seed: options.seed,
    threads: options.threads,
  })
  const data = readData(path)
  const folder = options.out ?? `${basename(path, extname(path))}.run`
  using _folder = takeFolder(folder)
  const { recipe, seed, terms, threads } = settings
  const isPrivate = terms.privacy === 'sums'
  await using backend = await startBackend(options.backend, { threads })
  await using prepared = await prepareRun({ backend }, { recipe, seed, data, isPrivate })
  const identity = Home.identity(options.home ?? folder, { random: systemRandom() })
  const network = options.network ? NetworkFile.read(options.network) : undefined
  if (options.deposit !== undefined) await deposit(network, identity, options.deposit)
  const runFile = join(folder, 'run.json')
  const file = existsSync(runFile)
    ? goOn(runFile, { prepared, settings, identity, dataBytes: data.byteLength })
    : orderOf({ prepared, settings, identity, network, dataBytes: data.byteLength })
  const { outcome } = await work(
    {
      folder,
      runFile,
      file,
      prepared,
      backend,
      identity,
      isFirst: true,
      network,
      relays: [...(network?.bootstrap ?? []), ...(options.relay ?? [])],
      payloadRounds: terms.keepRounds ?? undefined,
      checkpointEvery: terms.checkpointEvery,
    },
    options,
  )
  if (outcome === 'stopped') process.exitCode = 130
  else if (outcome !== 'ended') process.exitCode = 1
}

type Facts = {
  readonly prepared: Prepared
  readonly settings: Config.Settings
  readonly identity: Identity
  readonly dataBytes: number
}

function orderOf({
  prepared,
  settings,
  identity,
  network,
  dataBytes,
}: Facts & { network: NetworkFile.NetworkFile | undefined }): RunFile.RunFile {
  const { terms, seed, recipe } = settings
  const domain = network ? NetworkFile.domainOf(network) : RunFile.noNetwork
  const { deadlineHours } = terms
  const now = systemClock().now() / 1000
  const message: TrainingOrder.TrainingOrder = {
    buyer: identity.address,
    ...prepared.roots,
    seed0: seed[0],
    seed1: seed[1],
    ...termsOf(terms),
    deadlineSeconds: deadlineHours === null ? 0 : Math.ceil(now + deadlineHours * 3600),
    nonce: new DataView(systemRandom().bytes(8).buffer).getBigUint64(0) >> 1n,
  }
  const order = TrainingOrder.sign(domain, message, identity)
  const common = { kind: 'training run', version: 1 } as const
  const isPrivate = terms.privacy === 'sums'
  return { ...common, domain, order, recipe, dataBytes: isPrivate ? 0 : dataBytes, peers: [] }
}

function termsOf(terms: Config.Terms) {
  const micro = (value: number) => Math.round(value * 1e6)
  return {
    rounds: terms.rounds,
    steps: terms.steps,
    trainer: terms.trainer,
    rule: terms.rule,
    keptFirst: terms.keptFirst,
    keptLast: terms.keptLast,
    fragments: terms.fragments,
    aggregation: terms.aggregation,
    toleratedMicro: micro(terms.toleratedShare),
    outerRateMicro: micro(terms.outerRate),
    outerMomentumMicro: micro(terms.outerMomentum),
    overlap: terms.overlap,
    ...privacyOf(terms),
    minWorkers: terms.minWorkers,
    maxWorkers: terms.maxWorkers,
    roundMs: terms.roundSeconds * 1000,
    auditMicro: micro(terms.auditShare),
    priceMicroUsd: BigInt(micro(terms.priceUsd)),
    budgetMicroUsd: BigInt(micro(terms.budgetUsd)),
    tier: terms.tier,
    bondMicroUsd: terms.tier === 'exact' ? BigInt(micro(terms.bondUsd)) : 0n,
  }
}

function privacyOf({ privacy, clipNorm, noise, epsilon, delta }: Config.Terms) {
  const isPrivate = privacy === 'sums'
  const isNoisy = isPrivate && noise > 0 && epsilon !== null
  return {
    privacy,
    clipMicro: isPrivate ? Math.round(clipNorm * 1e6) : 0,
    noiseMicro: isNoisy ? Math.round(noise * 1e6) : 0,
    rhoMicro: isNoisy ? rhoMicroFor(epsilon, delta) : 0,
    deltaPico: isNoisy ? Math.round(delta * 1e12) : 0,
  }
}

async function deposit(
  network: NetworkFile.NetworkFile | undefined,
  identity: Identity,
  amountMicroUsd: bigint,
): Promise<void> {
  if (!network) throw new NoNetworkError()
  await using chain = await connectChain(network, { identity, clock: systemClock() })
  await chain.send({ type: 'deposit', buyer: identity.address, amountMicroUsd })
}

/** The run that the folder holds, if it is the one that was asked for. */
function goOn(path: string, { prepared, settings, identity, dataBytes }: Facts): RunFile.RunFile {
  const file = RunFile.read(path)
  const { message } = file.order
  if (message.buyer !== identity.address)
    throw new OtherRunError(dirname(path), ['it was ordered with another key'])
  expectOrdered(message, prepared, { dataBytes, orderedBytes: file.dataBytes })
  const wanted = termsOf(settings.terms)
  const names = Object.keys(wanted) as (keyof typeof wanted)[]
  const differing = names
    .filter((name) => message[name] !== wanted[name])
    .map((name) => `${name} is ${message[name]} there, ${wanted[name]} here`)
  if (differing.length > 0) throw new OtherRunError(dirname(path), differing)
  return file
}

/** Thrown when a folder holds another run than the one that is asked for. */
class OtherRunError extends BaseError {
  override readonly code = 'Cli.OtherTrainingError'

  constructor(folder: string, reasons: readonly string[]) {
    super(`${folder} holds another run: ${reasons[0]}.`, {
      metaMessages: [
        ...reasons.slice(1).map((reason) => `Also: ${reason}.`),
        'Fix: go on with the settings that it was begun with, or give --out another folder.',
      ],
    })
  }
}

/** Thrown when there is no vault to deposit in. */
class NoNetworkError extends BaseError {
  override readonly code = 'Cli.NoNetworkError'

  constructor() {
    super('A deposit needs the network that it is in: give --network FILE.')
  }
}

/** Thrown when there is nothing to learn from. */
export class MissingDataError extends BaseError {
  override readonly code = 'Cli.MissingDataError'

  constructor() {
    super('There is nothing to learn from: give --data FILE.', {
      metaMessages: ['Any file will do; everybody who joins the run needs the same.'],
    })
  }
}
