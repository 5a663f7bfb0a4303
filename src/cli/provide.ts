import { statSync } from 'node:fs'
import { cpus } from 'node:os'
import { Command, Option } from 'commander'
import { detectHardware } from '../engine/hardware/detectHardware.ts'
import { openaiEngine } from '../engine/openai.ts'
import type { Model } from '../engine/Engine.ts'
import { httpsBulk } from '../network/https.ts'
import type { Prices } from '../provider/index.ts'
import { startProvider } from '../provider/startProvider.ts'
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
import { parseBit, type Bit } from './flippedBit.ts'
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
import { run, runUntilStopped } from './run.ts'

type ProvideOptions = PartyOptions &
  EngineOptions & {
    model?: string
    modelId?: string
    upstream?: string
    upstreamKeyEnv: string
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

/** `weft provide`: sells completions of a model file or of an OpenAI-compatible server. */
export function provideCommand(): Command {
  // One core is left to the rest of the program: llama.cpp's threads spin while they wait.
  const threads = Math.max(1, cpus().length - 1)
  return withEngineOptions(withPartyOptions(new Command('provide')), 'sell answers computed')
    .description('sell completions of a GGUF file, or of an OpenAI-compatible server')
    .option(
      '--model <file>',
      'GGUF file to serve; with --engine exact also a folder with safetensors',
    )
    .option('--model-id <name>', 'name buyers ask for (default: from the file)')
    .option(
      '--upstream <url>',
      'serve an OpenAI-compatible server instead: vLLM, SGLang, Ollama ...',
    )
    .option(
      '--upstream-key-env <name>',
      'environment variable with its API key',
      'UPSTREAM_API_KEY',
    )
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
    .option('--cheat-with <file>', "for testing validators: answer with this file's model instead")
    .option(
      '--cheat-bit <tensor:bit>',
      'for testing disputes: compute exact answers with one wrong bit',
      parseBit,
    )
    .action((options: ProvideOptions, command: Command) =>
      run(options, async () => {
        checkOptions(command, options)
        await using stack = new AsyncDisposableStack()
        const party = stack.use(await joinNetwork('provider', options))
        const { identity, chain, clock, random, logger } = party
        const network = await party.network()
        const windowSeconds = windowFor(chain.parameters.disputes, options.challengeWindow)
        const { engine, exactly } = stack.use(await open(party, options))
        const bulk = stack.use(
          await httpsBulk(
            { clock, logger },
            { directory: `${party.home}/bulk`, host: options.bulkHost },
          ),
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
        if (exactly) {
          const proverFor = async (claim: ExactClaim.ExactClaim, id: Hex.Hex) => {
            const row = await provider.claim(id)
            if (!row) throw new UnknownRunError(id)
            return proverOfAnswer(exactly(row.request), claim)
          }
          const disputes = { ...party, network, store: party.store('disputes'), proverFor }
          stack.use(await startDisputes(disputes, { report: reportDispute(options) }))
        }
        const models = [...new Set(engine.models.map((model) => model.id))]
        if (options.json)
          console.log(JSON.stringify({ ready: 'provider', address: identity.address, models }))
        else {
          console.log(`Selling ${models.join(', ')} as ${identity.address}`)
          console.log(`Staked: ${formatUsd(options.stake)}. Stop with Ctrl-C; leases are kept.`)
        }
        await runUntilStopped(stack, options)
      }),
    )
}

/** Refuses options about what is not sold. */
function checkOptions(command: Command, { upstream, engine, exact }: ProvideOptions): void {
  if (upstream === undefined)
    refuseIdle(command, ['upstreamKeyEnv'], 'add --upstream, or leave it out.')
  else
    refuseIdle(
      command,
      ['modelId', 'engine', 'exact', 'cheatWith', 'cheatBit'],
      'serve a file with --model instead of --upstream, or leave it out.',
    )
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

/** Puts up credit for bonds: what is asked for, or what there is of ten bonds beside the stake. */
async function holdCredit(
  chain: Chain,
  { credit, bond, stake }: Pick<ProvideOptions, 'credit' | 'bond' | 'stake'>,
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
function pricesOf(options: ProvideOptions): (model: Model) => Prices {
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

async function open({ clock }: Party, options: ProvideOptions): Promise<OpenedEngine> {
  const { model: path, modelId: id, upstream } = options
  if (upstream === undefined) {
    if (path === undefined) throw new NoModelError()
    return openEngine({ ...options, path, id })
  }
  const apiKey = process.env[options.upstreamKeyEnv]
  const engine = await openaiEngine({ clock }, { url: upstream, apiKey })
  const close = () => engine[Symbol.asyncDispose]()
  return { engine, exactly: undefined, [Symbol.asyncDispose]: close }
}
