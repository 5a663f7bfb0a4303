import { Argument, Command } from 'commander'
import * as Json from '../protocol/Json.ts'
import { joinNetwork, withPartyOptions, type PartyOptions } from './joinNetwork.ts'
import { formatUsd, parseUsd } from './money.ts'
import { run } from './run.ts'

/** `weft faucet`: test money on a test network. */
export function faucetCommand(): Command {
  return withPartyOptions(new Command('faucet'))
    .description('give our own account test money; on test networks only')
    .addArgument(
      new Argument('[usd]', 'amount in USD').argParser(parseUsd).default(100_000_000n, '100'),
    )
    .action((amountMicroUsd: bigint, options: PartyOptions) =>
      run(options, async () => {
        await using party = await joinNetwork('faucet', options)
        const to = party.identity.address
        const { transaction } = await party.chain.send({ type: 'mint', to, amountMicroUsd })
        if (options.json) return console.log(Json.stringify({ to, amountMicroUsd, transaction }))
        console.log(`${to} has ${formatUsd(amountMicroUsd)} of test money more.`)
      }),
    )
}
