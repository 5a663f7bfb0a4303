import { join } from 'node:path'
import { Command } from 'commander'
import * as ExactClaim from '../protocol/ExactClaim.ts'
import type * as Hex from '../protocol/Hex.ts'
import { startValidator } from '../verification/startValidator.ts'
import { fetchModel } from './fetchModel.ts'
import { joinNetwork, withPartyOptions, type PartyOptions } from './joinNetwork.ts'
import { openEngine, withEngineOptions, type EngineOptions } from './openEngine.ts'
import { parseHash, parseInteger, parseShare } from './parseOptions.ts'
import { run, runUntilStopped } from './run.ts'

type ValidateOptions = PartyOptions &
  EngineOptions & {
    model?: string
    weights?: Hex.Hex
    rate: number
    threads: number
  }

/** `weft validate`: re-runs a sample of served jobs on a copy of the model and publishes signed verdicts. */
export function validateCommand(): Command {
  return withEngineOptions(withPartyOptions(new Command('validate')), 'check answers computed')
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
        const { engine } = stack.use(await openEngine({ ...options, path }))
        const store = party.store('validator')
        const onFalseClaim = ({ message }: { message: ExactClaim.ExactClaim }) => {
          const falseClaim = ExactClaim.hash(domain, message)
          const { claimant, job } = message
          if (options.json) console.log(JSON.stringify({ falseClaim, claimant, job }))
          else console.log(`The claim ${falseClaim} of ${claimant} is false.`)
        }
        stack.use(
          await startValidator(
            { identity, network, engine, store, clock, random, logger, domain, onFalseClaim },
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
