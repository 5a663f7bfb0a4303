import { cpus } from 'node:os'
import { Command } from 'commander'
import type * as ExactClaim from '../../protocol/ExactClaim.ts'
import type * as Hex from '../../protocol/Hex.ts'
import type { DisputeKeeper } from '../../settlement/startDisputeKeeper.ts'
import type { Prover } from '../../verification/dispute/startProver.ts'
import { startBackend } from '../exact/startBackend.ts'
import { joinNetwork, withPartyOptions, type Party, type PartyOptions } from '../joinNetwork.ts'
import { openEngine } from '../openEngine.ts'
import { parseInteger } from '../parseOptions.ts'
import { run, runUntilStopped } from '../run.ts'
import * as ClaimFile from './ClaimFile.ts'
import { proverOfAnswer, proverOfFolder } from './proverOf.ts'
import { reportDispute } from './reportDispute.ts'
import { startDisputes } from './startDisputes.ts'
import { UnknownRunError } from './UnknownRunError.ts'

type PlayOptions = PartyOptions & {
  model?: string
  run: readonly string[]
  data?: string
  threads: number
  once?: boolean
  patience: number
}

/** `weft dispute play`: plays our side of all disputes that we are a party of. */
export function playCommand(): Command {
  const threads = Math.max(1, Math.min(8, cpus().length - 1))
  return withPartyOptions(new Command('play'))
    .description('play our side of all our disputes, as claimant and as challenger')
    .option(
      '--model <file>',
      'what computes answers again: a GGUF file, or a folder with safetensors',
    )
    .option('--run <folder...>', 'runs of `weft exact train` that claims are about', [])
    .option('--data <file>', 'what they learnt from (default: where each found it)')
    .option(
      '--threads <count>',
      '1 to 8; changes no bit',
      parseInteger({ min: 1, max: 8 }),
      threads,
    )
    .option(
      '--patience <seconds>',
      'how long to wait for the other off the chain before going on on it',
      parseInteger({ min: 1, max: 3600 }),
      60,
    )
    .option('--once', 'end when no dispute of ours is open')
    .action((options: PlayOptions) =>
      run(options, async () => {
        await using stack = new AsyncDisposableStack()
        const party = stack.use(await joinNetwork('disputes', options))
        const { identity } = party
        const network = await party.network()
        const proverFor = await openProverFor(party, options, stack)
        const ports = { ...party, network, store: party.store('disputes'), proverFor }
        const patience = { quietSeconds: options.patience, offerTimeoutMs: options.patience * 1000 }
        const keeper = stack.use(
          await startDisputes(ports, { report: reportDispute(options), ...patience }),
        )
        if (options.json)
          console.log(JSON.stringify({ ready: 'disputes', address: identity.address }))
        else
          console.log(
            `Playing the disputes of ${identity.address}. Stop with Ctrl-C; they are kept.`,
          )
        if (options.once) await untilOver(party, keeper)
        else await runUntilStopped(stack, options)
      }),
    )
}

/** Computes the runs of claims: of answers with a model, of training by its folder. */
async function openProverFor(
  { home }: Party,
  { model, run: folders, data, threads }: PlayOptions,
  stack: AsyncDisposableStack,
): Promise<(claim: ExactClaim.ExactClaim, id: Hex.Hex) => Promise<Prover>> {
  const engine =
    model === undefined
      ? undefined
      : stack.use(await openEngine({ engine: 'exact', path: model, threads }))
  const backend =
    folders.length === 0 ? undefined : stack.use(await startBackend('wasm', { threads }))
  return async (claim, id) => {
    for (const folder of backend ? folders : []) {
      const found = await proverOfFolder({ backend: backend! }, folder, claim, { data })
      if (found) return found
    }
    const request = ClaimFile.find(home, id)?.request
    const [own] = engine?.engine.models ?? []
    if (!engine?.exactly || !own || !request) throw new UnknownRunError(id)
    return proverOfAnswer(engine.exactly({ ...request, model: own.id }), claim)
  }
}

/** Resolves when there is at least one dispute, and all are over with their money seen to. */
async function untilOver({ clock }: Party, keeper: DisputeKeeper): Promise<void> {
  for (;;) {
    await keeper.keep()
    const ours = await keeper.ours()
    if (ours.length > 0 && ours.every(({ done }) => done)) return
    await clock.sleep(500)
  }
}
