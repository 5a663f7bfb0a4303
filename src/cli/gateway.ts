import { Command } from 'commander'
import { startBuyer } from '../buyer/startBuyer.ts'
import { startGateway } from '../gateway/startGateway.ts'
import type * as Assurance from '../protocol/Assurance.ts'
import type * as Hex from '../protocol/Hex.ts'
import { joinNetwork, withPartyOptions, type PartyOptions } from './joinNetwork.ts'
import { formatUsd, parseUsd } from './money.ts'
import { collectAddress, parseInteger, parsePort, parseTier } from './parseOptions.ts'
import { run, runUntilStopped } from './run.ts'

type GatewayOptions = PartyOptions & {
  host: string
  port: number
  tier: Assurance.Tier
  deposit?: bigint
  warm?: string
  validator?: readonly Hex.Address[]
  corsOrigin?: string
  verdictSeconds: number
}

/** `weft gateway`: an OpenAI-compatible endpoint that buys on the network. */
export function gatewayCommand(): Command {
  return withPartyOptions(new Command('gateway'))
    .description('serve the OpenAI API and buy every answer on the network')
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--port <port>', 'port to listen on', parsePort, 8787)
    .option(
      '--tier <tier>',
      'assurance to buy when a request does not say',
      parseTier,
      'unverified',
    )
    .option(
      '--deposit <usd>',
      'keep at least this much free in the vault, from the wallet',
      parseUsd,
    )
    .option('--warm <model>', 'keep leases for this model open, so that the first answer is quick')
    .option(
      '--validator <address>',
      "trust this validator instead of the network file's",
      collectAddress,
    )
    .option(
      '--verdict-seconds <count>',
      'how long a delivered answer waits for a verdict before it is paid without one',
      parseInteger({ min: 1, max: 3_600 }),
      10,
    )
    .option('--cors-origin <origin>', 'let pages of this origin call the endpoint')
    .action((options: GatewayOptions) =>
      run(options, async () => {
        await using stack = new AsyncDisposableStack()
        const party = stack.use(await joinNetwork('gateway', options))
        const { identity, chain, clock, random, logger } = party
        const network = await party.network()
        const store = party.store('gateway')
        const buyer = stack.use(
          await startBuyer(
            { identity, chain, network, store, clock, random, logger },
            {
              defaultTier: options.tier,
              validators: options.validator ?? party.file.validators,
              verdictTimeoutMs: options.verdictSeconds * 1000,
              keepDepositMicroUsd: options.deposit,
              warmModels: options.warm === undefined ? [] : [options.warm],
            },
          ),
        )
        const { host, port, corsOrigin } = options
        const gateway = stack.use(
          await startGateway({ buyer, store, clock, random, logger }, { host, port, corsOrigin }),
        )
        const balance = await buyer.balance()
        if (options.json) console.log(JSON.stringify({ ready: 'gateway', url: gateway.url }))
        else {
          console.log(`OpenAI API at ${gateway.url}/v1, paid from ${buyer.address}`)
          console.log(
            `Free to spend: ${formatUsd(balance.freeMicroUsd)}. Make a key: weft keys create NAME`,
          )
        }
        await runUntilStopped(stack, options)
      }),
    )
}
