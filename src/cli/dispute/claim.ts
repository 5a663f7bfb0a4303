import { Command, Option } from 'commander'
import * as Hex from '../../protocol/Hex.ts'
import * as ExactClaim from '../../protocol/ExactClaim.ts'
import * as Json from '../../protocol/Json.ts'
import { BaseError } from '../../runtime/Errors.ts'
import { writeAtomically } from '../exact/writeAtomically.ts'
import * as RunFile from '../exact/RunFile.ts'
import { joinNetwork, withPartyOptions, type PartyOptions } from '../joinNetwork.ts'
import { formatUsd, parseUsd } from '../money.ts'
import { parseInteger } from '../parseOptions.ts'
import { run } from '../run.ts'
import { digestOfCid } from './digestOfCid.ts'
import { windowFor } from './windowFor.ts'

type ClaimOptions = PartyOptions & { bond: bigint; window?: number; out?: string }

/** `weft dispute claim`: signs that a run in a folder is what it says, and answers for it with a bond. */
export function claimCommand(): Command {
  return withPartyOptions(new Command('claim'))
    .description('sign that a finished run is what it says, and answer for it with a bond')
    .argument('<run>', 'folder of a run of `weft exact train`, or of `weft exact generate --claim`')
    .addOption(
      new Option('--bond <usd>', 'what answers for it')
        .argParser(parseUsd)
        .default(1_000_000n, formatUsd(1_000_000n)),
    )
    .option(
      '--window <seconds>',
      'how long it can be challenged (default: half of what the chain allows)',
      parseInteger({ min: 1, max: 2 ** 31 }),
    )
    .option('--out <file>', 'where to write it (default: claim.json in the run)')
    .action((folder: string, options: ClaimOptions) =>
      run(options, async () => {
        await using party = await joinNetwork('claim', options)
        const { identity, domain, chain } = party
        const window = windowFor(chain.parameters.disputes, options.window)
        const { timestampSeconds } = await chain.head()
        const message = claimOf(RunFile.read(folder), folder, {
          claimant: identity.address,
          bond: options.bond,
          challengeUntil: timestampSeconds + window,
        })
        const claim = ExactClaim.sign(domain, message, identity)
        const path = options.out ?? `${folder}/claim.json`
        writeAtomically(path, `${Json.stringify(claim)}\n`)
        const id = ExactClaim.hash(domain, message)
        if (options.json) return console.log(JSON.stringify({ claim: id, file: path }))
        const until = new Date(message.challengeUntil * 1000).toISOString()
        console.log(`Claimed: ${id}\nIt can be challenged until ${until}. Written to ${path}.`)
        const { freeMicroUsd } = await chain.credit(identity.address)
        if (freeMicroUsd < message.bond)
          console.log(
            `Only ${formatUsd(freeMicroUsd)} of credit answer for it: \`weft dispute deposit\` adds more.`,
          )
      }),
    )
}

/** What a finished run is, as a claim. */
function claimOf(
  file: RunFile.RunFile,
  folder: string,
  facts: Pick<ExactClaim.ExactClaim, 'claimant' | 'bond' | 'challengeUntil'>,
): ExactClaim.ExactClaim {
  const { finalRoot, runRoot, seed } = file
  if (finalRoot === undefined || runRoot === undefined) throw new UnfinishedRunError(folder)
  return {
    ...facts,
    job: Hex.zero,
    graph: file.graphRoot,
    graphCid: digestOfCid(file.graphCid),
    start: file.startRoot,
    end: finalRoot,
    data: file.kind === 'training' ? file.dataRoot : Hex.zero,
    seed0: seed[0],
    seed1: seed[1],
    worker: 0,
    steps: file.steps,
    run: runRoot,
  }
}

/** Thrown when a run is not finished, so that it has no end to claim. */
class UnfinishedRunError extends BaseError {
  override readonly code = 'Cli.UnfinishedRunError'

  constructor(folder: string) {
    super('The run is not finished: there is nothing to claim yet.', {
      metaMessages: [`Folder: ${folder}`, 'Fix: let `weft exact train` finish it.'],
    })
  }
}
