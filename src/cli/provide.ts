import { cpus } from 'node:os'
import { Command } from 'commander'
import { detectHardware } from '../engine/hardware/detectHardware.ts'
import { llamaCppEngine } from '../engine/llamaCpp.ts'
import { openaiEngine } from '../engine/openai.ts'
import type { Engine } from '../engine/Engine.ts'
import { httpsBulk } from '../network/https.ts'
import { startProvider } from '../provider/startProvider.ts'
import { startSettlement } from '../settlement/startSettlement.ts'
import { NoModelError } from './fetchModel.ts'
import { joinNetwork, withPartyOptions, type Party, type PartyOptions } from './joinNetwork.ts'
import { formatUsd, parseUsd } from './money.ts'
import { parseInteger } from './parseOptions.ts'
import { run, runUntilStopped } from './run.ts'

type ProvideOptions = PartyOptions & {
  model?: string
  modelId?: string
  upstream?: string
  upstreamKeyEnv: string
  cheatWith?: string
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
  return withPartyOptions(new Command('provide'))
    .description('sell completions of a GGUF file, or of an OpenAI-compatible server')
    .option('--model <file>', 'GGUF file to serve')
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
    .option('--price-input <usd>', 'USD per million input tokens', parseUsd, 100_000n)
    .option('--price-output <usd>', 'USD per million output tokens', parseUsd, 400_000n)
    .option('--concurrency <count>', 'jobs at once', parseInteger({ min: 1, max: 1024 }), 4)
    .option(
      '--threads <count>',
      'threads for the model',
      parseInteger({ min: 1, max: 1024 }),
      threads,
    )
    .option('--stake <usd>', 'stable money to stake when registering', parseUsd, 0n)
    .option('--region <name>', 'where the machine stands', '')
    .option(
      '--claim-after <seconds>',
      'the longest a payment waits for a batch',
      parseInteger({ min: 1, max: 86_400 }),
      30,
    )
    .option('--bulk-host <address>', 'address others fetch the model file from', '127.0.0.1')
    .option('--cheat-with <file>', "for testing validators: answer with this file's model instead")
    .action((options: ProvideOptions) =>
      run(options, async () => {
        await using stack = new AsyncDisposableStack()
        const party = stack.use(await joinNetwork('provider', options))
        const { identity, chain, clock, random, logger } = party
        const network = await party.network()
        const engine = stack.use(await openEngine(party, options))
        const bulk = stack.use(
          await httpsBulk(
            { clock, logger },
            { directory: `${party.home}/bulk`, host: options.bulkHost },
          ),
        )
        if (options.model !== undefined) await bulk.share(options.model)
        const store = party.store('provider')
        const provider = stack.use(
          await startProvider(
            { identity, chain, network, engine, store, clock, random, logger, bulk },
            {
              prices: () => ({
                inputMicroUsdPerMillion: options.priceInput,
                outputMicroUsdPerMillion: options.priceOutput,
              }),
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
        const models = engine.models.map((model) => model.id)
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

async function openEngine({ clock }: Party, options: ProvideOptions): Promise<Engine> {
  const { model, modelId, upstream, threads, concurrency, cheatWith } = options
  if (upstream !== undefined)
    return openaiEngine({ clock }, { url: upstream, apiKey: process.env[options.upstreamKeyEnv] })
  if (model === undefined) throw new NoModelError()
  const named = modelId === undefined ? {} : { id: modelId }
  const honest = await llamaCppEngine({ path: model, threads, concurrency, ...named })
  if (cheatWith === undefined) return honest
  // Says one model and runs another: what a validator is there to find. Like any clever cheat it knows
  // a probe by its size, and answers that honestly.
  const other = await llamaCppEngine({
    path: cheatWith,
    threads,
    concurrency,
    id: honest.models[0]!.id,
  })
  return {
    models: honest.models,
    complete: (request, run) =>
      (request.maxTokens <= probeTokens ? honest : other).complete(request, run),
    async [Symbol.asyncDispose]() {
      await honest[Symbol.asyncDispose]()
      await other[Symbol.asyncDispose]()
    },
  }
}

const probeTokens = 16
