import { join } from 'node:path'
import { Command, Option } from 'commander'
import * as ExactClaim from '../protocol/ExactClaim.ts'
import type { Evidence } from '../protocol/Exchange.ts'
import type * as Hex from '../protocol/Hex.ts'
import type { Signed } from '../protocol/SignedMessage.ts'
import { requestFor } from '../verification/rerun.ts'
import { startValidator } from '../verification/startValidator.ts'
import * as ClaimFile from './dispute/ClaimFile.ts'
import { proverOfAnswer } from './dispute/proverOf.ts'
import { reportDispute } from './dispute/reportDispute.ts'
import { startDisputes } from './dispute/startDisputes.ts'
import { topUpCredit } from './dispute/topUpCredit.ts'
import { NotExactError, UnknownRunError } from './dispute/UnknownRunError.ts'
import { fetchModel } from './fetchModel.ts'
import { joinNetwork, withPartyOptions, type PartyOptions } from './joinNetwork.ts'
import { openEngine, withEngineOptions, type EngineOptions } from './openEngine.ts'
import { formatUsd, parseUsd } from './money.ts'
import { parseHash, parseInteger, parseShare } from './parseOptions.ts'
import { refuseIdle } from './refuseIdle.ts'
import { run, runUntilStopped } from './run.ts'

type ValidateOptions = PartyOptions &
  EngineOptions & {
    model?: string
    weights?: Hex.Hex
    rate: number
    threads: number
    challenge?: boolean
    credit: bigint
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
    .option('--challenge', 'dispute false claims on the chain, with a bond from our credit')
    .addOption(
      new Option('--credit <usd>', 'stable money to hold ready for bonds, with --challenge')
        .argParser(parseUsd)
        .default(5_000_000n, formatUsd(5_000_000n)),
    )
    .action((options: ValidateOptions, command: Command) =>
      run(options, async () => {
        if (!options.challenge) refuseIdle(command, ['credit'], 'add --challenge, or leave it out.')
        if (options.model !== undefined)
          refuseIdle(command, ['weights'], 'leave it out: the file that --model names is used.')
        await using stack = new AsyncDisposableStack()
        const party = stack.use(await joinNetwork('validator', options))
        const { identity, chain, clock, random, logger, domain } = party
        const network = await party.network()
        const path =
          options.model ??
          (await fetchModel(party, network, {
            weights: options.weights,
            directory: join(party.home, 'models'),
          }))
        const { engine, exactly } = stack.use(await openEngine({ ...options, path }))
        const store = party.store('validator')
        let dispute = (_claim: Signed<ExactClaim.ExactClaim>): Promise<void> => Promise.resolve()
        if (options.challenge) {
          if (!exactly) throw new NotExactError()
          await topUpCredit(chain, options.credit)
          const proverFor = async (claim: ExactClaim.ExactClaim, id: Hex.Hex) => {
            const request = ClaimFile.find(party.home, id)?.request
            if (!request) throw new UnknownRunError(id)
            return proverOfAnswer(exactly(request), claim)
          }
          const disputes = { ...party, network, store: party.store('disputes'), proverFor }
          const keeper = stack.use(
            await startDisputes(disputes, { report: reportDispute(options) }),
          )
          dispute = (claim) => keeper.challenge(claim)
        }
        const onFalseClaim = async (
          claim: Signed<ExactClaim.ExactClaim>,
          { request, receipt }: Evidence,
        ) => {
          const { message } = claim
          const falseClaim = ExactClaim.hash(domain, message)
          const { claimant, job } = message
          if (options.json) console.log(JSON.stringify({ falseClaim, claimant, job }))
          else console.log(`The claim ${falseClaim} of ${claimant} is false.`)
          // The request first: without it nothing can be proven.
          const own = requestFor(receipt.message, request, engine.models)
          ClaimFile.keep(party.home, falseClaim, { claim, request: own })
          await dispute(claim)
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
