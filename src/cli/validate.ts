import { join } from 'node:path'
import { Command } from 'commander'
import { llamaCppEngine } from '../engine/llamaCpp.ts'
import type * as Hex from '../protocol/Hex.ts'
import { startValidator } from '../verification/startValidator.ts'
import { fetchModel } from './fetchModel.ts'
import { joinNetwork, withPartyOptions, type PartyOptions } from './joinNetwork.ts'
import { parseHash, parseInteger, parseShare } from './parseOptions.ts'
import { run, runUntilStopped } from './run.ts'

type ValidateOptions = PartyOptions & {
  model?: string
  weights?: Hex.Hex
  rate: number
  threads: number
}

/** `weft validate`: re-runs a sample of served jobs on a copy of the model and publishes signed verdicts. */
export function validateCommand(): Command {
  return withPartyOptions(new Command('validate'))
    .description('re-run a sample of served jobs and publish signed verdicts')
    .option('--model <file>', 'GGUF file to check with')
    .option(
      '--weights <sha256>',
      'fetch the GGUF file with this hash from the providers',
      parseHash,
    )
    .option('--rate <share>', 'share of receipts to check', parseShare, 1)
    .option('--threads <count>', 'threads for the model', parseInteger({ min: 1, max: 256 }), 1)
    .action((options: ValidateOptions) =>
      run(options, async () => {
        await using stack = new AsyncDisposableStack()
        const party = stack.use(await joinNetwork('validator', options))
        const { identity, clock, random, logger, domain } = party
        const network = await party.network()
        const path =
          options.model ??
          (await fetchModel(party, network, {
            weights: options.weights,
            directory: join(party.home, 'models'),
          }))
        const engine = stack.use(await llamaCppEngine({ path, threads: options.threads }))
        const store = party.store('validator')
        stack.use(
          await startValidator(
            { identity, network, engine, store, clock, random, logger, domain },
            { rate: options.rate },
          ),
        )
        const [model] = engine.models
        if (options.json)
          console.log(
            JSON.stringify({
              ready: 'validator',
              address: identity.address,
              weights: model?.weights,
            }),
          )
        else
          console.log(
            `Checking ${options.rate * 100} % of the jobs of ${model?.id} as ${identity.address}`,
          )
        await runUntilStopped(stack, options)
      }),
    )
}
