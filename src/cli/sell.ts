import { statSync } from 'node:fs'
import { cpus } from 'node:os'
import { type Command, Option } from 'commander'
import { detectHardware } from '../engine/hardware/detectHardware.ts'
import { openaiEngine } from '../engine/openai.ts'
import type { Model } from '../engine/Engine.ts'
import { httpsBulk } from '../network/https.ts'
import type { Network } from '../network/Network.ts'
import type { Prices } from '../provider/index.ts'
import { type Provider, startProvider } from '../provider/startProvider.ts'
import { startSettlement } from '../settlement/startSettlement.ts'
import type { Chain } from '../chain/Chain.ts'
import type * as ExactClaim from '../protocol/ExactClaim.ts'
import type * as Hex from '../protocol/Hex.ts'
import { proverOfAnswer } from './dispute/proverOf.ts'
import { reportDispute } from './dispute/reportDispute.ts'
import { startDisputes } from './dispute/startDisputes.ts'
import { topUpCredit } from './dispute/topUpCredit.ts'
import { UnknownRunError } from './dispute/UnknownRunError.ts'
import { windowFor } from './dispute/windowFor.ts'
import { NoModelError } from './fetchModel.ts'
import type { Bit } from './flippedBit.ts'
import { joinNetwork, withPartyOptions, type Party, type PartyOptions } from './joinNetwork.ts'
import { formatUsd, parseUsd } from './money.ts'
import {
  openEngine,
  withEngineOptions,
  type EngineOptions,
  type OpenedEngine,
} from './openEngine.ts'
import { parseInteger } from './parseOptions.ts'
import { refuseIdle } from './refuseIdle.ts'
import { runUntilStopped } from './run.ts'

/** What is sold, and how. */
export type SellOptions = PartyOptions &
  EngineOptions & {
    model?: string | undefined
    modelId?: string | undefined
    upstream?: string | undefined
    upstreamKeyEnv?: string | undefined
    cheatWith?: string
    cheatBit?: Bit
    priceExactInput: bigint
    priceExactOutput: bigint
    bond: bigint
    challengeWindow?: number
    credit?: bigint
    priceInput: bigint
    priceOutput: bigint
    concurrency: number
    stake: bigint
    region: string
    threads: number
    bulkHost: string
    claimAfter: number
  }

/** Adds the options of everybody who sells. */
export function withSellingOptions(command: Command): Command {
  // One core is left to the rest of the program: llama.cpp's threads spin while they wait.
  const threads = Math.max(1, cpus().length - 1)
  return withEngineOptions(withPartyOptions(command), 'sell answers computed')
    .option('--model-id <name>', 'name buyers ask for (default: from the file)')
    .addOption(usdOption('--price-input <usd>', 'USD per million input tokens', 100_000n))
    .addOption(usdOption('--price-output <usd>', 'USD per million output tokens', 400_000n))
    .addOption(
      usdOption(
        '--price-exact-input <usd>',
        'the same of exact answers, which read a token at a time',
        1_000_000n,
      ),
    )
    .addOption(usdOption('--price-exact-output <usd>', 'the same of exact answers', 1_000_000n))
    .addOption(usdOption('--bond <usd>', 'what each exact answer is answered for with', 1_000_000n))
    .option(
      '--challenge-window <seconds>',
      'how long an exact answer can be challenged (default: half of what the chain allows)',
      parseInteger({ min: 1, max: 2 ** 31 }),
    )
    .option(
      '--credit <usd>',
      'stable money to hold ready for the bonds of exact answers (default: ten bonds, or what there is)',
      parseUsd,
    )
    .option('--concurrency <count>', 'jobs at once', parseInteger({ min: 1, max: 1024 }), 4)
    .option(
      '--threads <count>',
      'threads for the model',
      parseInteger({ min: 1, max: 1024 }),
      threads,
    )
    .addOption(usdOption('--stake <usd>', 'stable money to stake when registering', 0n))
    .option('--region <name>', 'where the machine stands', '')
    .option(
      '--claim-after <seconds>',
      'the longest a payment waits for a batch',
      parseInteger({ min: 1, max: 86_400 }),
      30,
    )
    .option('--bulk-host <address>', 'address others fetch the model file from', '127.0.0.1')
}

/** Sells what the options name, until the user stops it. */
export async function sell(options: SellOptions): Promise<void> {
  await using stack = new AsyncDisposableStack()
  const party = stack.use(await joinNetwork('provider', options))
  const { identity, chain, clock, random, logger } = party
  const network = await party.network()
  const windowSeconds = windowFor(chain.parameters.disputes, options.challengeWindow)
  const { engine, exactly } = stack.use(await open(party, options))
  const bulk = stack.use(
    await httpsBulk({ clock, logger }, { directory: `${party.home}/bulk`, host: options.bulkHost }),
  )
  if (options.model !== undefined && statSync(options.model).isFile())
    await bulk.share(options.model)
  // Before anything is offered: buyers look for it.
  if (exactly) await holdCredit(chain, options)
  const store = party.store('provider')
  const provider = stack.use(
    await startProvider(
      { identity, chain, network, engine, store, clock, random, logger, bulk },
      {
        prices: pricesOf(options),
        exactBondMicroUsd: options.bond,
        challengeWindowMs: windowSeconds * 1000,
        concurrency: options.concurrency,
        hardware: await detectHardware(),
        region: options.region,
        stakeMicroUsd: options.stake,
      },
    ),
  )
  stack.use(
    await startSettlement(
      { chain, clock, logger, claimables: () => provider.claimables() },
      { intervalMs: 2_000, maxAgeMs: options.claimAfter * 1000 },
    ),
  )
  if (exactly) stack.use(await startDefence(party, { network, provider, exactly }, options))
  const models = [...new Set(engine.models.map((model) => model.id))]
  if (options.json)
    console.log(JSON.stringify({ ready: 'provider', address: identity.address, models }))
  else {
    console.log(`Selling ${models.join(', ')} as ${identity.address}`)
    console.log(`Staked: ${formatUsd(options.stake)}. Stop with Ctrl-C; leases are kept.`)
  }
  await runUntilStopped(stack, options)
}

/** Refuses options about exact answers, or about others, where there are none. */
export function refuseIdlePrices(
  command: Command,
  { upstream, engine, exact }: Pick<SellOptions, 'upstream' | 'engine' | 'exact'>,
): void {
  if (upstream !== undefined || (engine !== 'exact' && !exact))
    refuseIdle(
      command,
      ['priceExactInput', 'priceExactOutput', 'bond', 'challengeWindow', 'credit', 'cheatBit'],
      'add --exact or --engine exact, or leave it out.',
    )
  else if (engine === 'exact')
    refuseIdle(
      command,
      ['priceInput', 'priceOutput', 'cheatWith'],
      'use --price-exact-input, --price-exact-output and --cheat-bit, or --exact without --engine.',
    )
}

/** Answers challenges of the claims that we made. */
async function startDefence(
  party: Party,
  parts: {
    network: Network
    provider: Provider
    exactly: NonNullable<OpenedEngine['exactly']>
  },
  options: SellOptions,
): Promise<AsyncDisposable> {
  const { network, provider, exactly } = parts
  const proverFor = async (claim: ExactClaim.ExactClaim, id: Hex.Hex) => {
    const row = await provider.claim(id)
    if (!row) throw new UnknownRunError(id)
    return proverOfAnswer(exactly(row.request), claim)
  }
  const disputes = { ...party, network, store: party.store('disputes'), proverFor }
  return startDisputes(disputes, { report: reportDispute(options) })
}

/** Puts up credit for bonds: what is asked for, or what there is of ten bonds beside the stake. */
async function holdCredit(
  chain: Chain,
  { credit, bond, stake }: Pick<SellOptions, 'credit' | 'bond' | 'stake'>,
): Promise<void> {
  if (credit !== undefined) return await topUpCredit(chain, credit)
  const { freeMicroUsd, reservedMicroUsd } = await chain.credit(chain.account)
  const { stakeMicroUsd, unbondingMicroUsd } = await chain.registration(chain.account)
  const staked = stakeMicroUsd + unbondingMicroUsd
  const toStake = stake > staked ? stake - staked : 0n
  const spare = (await chain.balance(chain.account)) - toStake
  const reachable = freeMicroUsd + reservedMicroUsd + (spare > 0n ? spare : 0n)
  const wanted = bond * 10n
  await topUpCredit(chain, wanted < reachable ? wanted : reachable)
}

/** An option of an amount, whose default is shown as people write it. */
function usdOption(flags: string, description: string, microUsd: bigint): Option {
  return new Option(flags, description).argParser(parseUsd).default(microUsd, formatUsd(microUsd))
}

/** What a completion costs; exact ones have prices of their own. */
function pricesOf(options: SellOptions): (model: Model) => Prices {
  return ({ tiers }) =>
    tiers.includes('exact')
      ? {
          inputMicroUsdPerMillion: options.priceExactInput,
          outputMicroUsdPerMillion: options.priceExactOutput,
        }
      : {
          inputMicroUsdPerMillion: options.priceInput,
          outputMicroUsdPerMillion: options.priceOutput,
        }
}

async function open({ clock }: Party, options: SellOptions): Promise<OpenedEngine> {
  const { model: path, modelId: id, upstream } = options
  if (upstream === undefined) {
    if (path === undefined) throw new NoModelError()
    return openEngine({ ...options, path, id })
  }
  const apiKey = process.env[options.upstreamKeyEnv ?? 'UPSTREAM_API_KEY']
  const engine = await openaiEngine({ clock }, { url: upstream, apiKey })
  const close = () => engine[Symbol.asyncDispose]()
  return { engine, exactly: undefined, [Symbol.asyncDispose]: close }
}
