import { Command } from 'commander'
import type * as Hex from '../protocol/Hex.ts'
import * as Json from '../protocol/Json.ts'
import { joinNetwork, withPartyOptions, type PartyOptions } from './joinNetwork.ts'
import { formatUsd, parseUsd } from './money.ts'
import { parseAddress } from './parseOptions.ts'
import { run } from './run.ts'

/** `weft deposit`: moves stable money into the vault, in one transaction. */
export function depositCommand(): Command {
  return withPartyOptions(new Command('deposit'))
    .description('move stable money into the vault, for our own account or another one')
    .argument('<usd>', 'amount in USD', parseUsd)
    .option('--buyer <address>', 'credit this account instead of our own', parseAddress)
    .action((amountMicroUsd: bigint, options: PartyOptions & { buyer?: Hex.Address }) =>
      run(options, async () => {
        await using party = await joinNetwork('deposit', options)
        const buyer = options.buyer ?? party.identity.address
        const { transaction } = await party.chain.send({ type: 'deposit', buyer, amountMicroUsd })
        const { freeMicroUsd } = await party.chain.deposit(buyer)
        if (options.json) return console.log(Json.stringify({ buyer, transaction, freeMicroUsd }))
        console.log(`Deposited ${formatUsd(amountMicroUsd)}; free now: ${formatUsd(freeMicroUsd)}.`)
        console.log(`transaction ${transaction}`)
      }),
    )
}
