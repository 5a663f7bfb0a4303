import { Command } from 'commander'
import type { Chain } from '../chain/Chain.ts'
import type * as Hex from '../protocol/Hex.ts'
import * as Json from '../protocol/Json.ts'
import { joinNetwork, withPartyOptions, type PartyOptions } from './joinNetwork.ts'
import { formatUsd } from './money.ts'
import { parseAddress } from './parseOptions.ts'
import { run } from './run.ts'

/** `weft balance`: where an account's money is. */
export function balanceCommand(): Command {
  return withPartyOptions(new Command('balance'))
    .description('show what an account has deposited, reserved, spent, free and earned')
    .option('--account <address>', 'another account than our own', parseAddress)
    .action((options: PartyOptions & { account?: Hex.Address }) =>
      run(options, async () => {
        await using party = await joinNetwork('balance', options)
        const account = options.account ?? party.identity.address
        const balance = await readBalance(party.chain, account)
        if (options.json) return console.log(Json.stringify({ account, ...balance }))
        const line = (name: string, amount: bigint) =>
          `${name.padEnd(12)}${formatUsd(amount).padStart(14)}`
        console.log(
          [
            `account ${account}`,
            line('wallet', balance.walletMicroUsd),
            line('deposited', balance.depositedMicroUsd),
            line('  reserved', balance.reservedMicroUsd),
            line('  free', balance.freeMicroUsd),
            line('spent', balance.spentMicroUsd),
            line('earned', balance.earnedMicroUsd),
          ].join('\n'),
        )
      }),
    )
}

/** Reads an account's money from the chain: `deposited = reserved + free`; spent is what was claimed from it. */
export async function readBalance(chain: Chain, account: Hex.Address) {
  const [wallet, deposit, earned, head] = await Promise.all([
    chain.balance(account),
    chain.deposit(account),
    chain.earned(account),
    chain.head(),
  ])
  let spentMicroUsd = 0n
  for (let from = 0n; from <= head.number; from += eventBlocks) {
    const last = from + eventBlocks - 1n
    const events = await chain.events({ from, to: last < head.number ? last : head.number })
    for (const event of events)
      if (event.type === 'claimed' && event.buyer === account) spentMicroUsd += event.amountMicroUsd
  }
  return {
    walletMicroUsd: wallet,
    depositedMicroUsd: deposit.freeMicroUsd + deposit.reservedMicroUsd,
    reservedMicroUsd: deposit.reservedMicroUsd,
    freeMicroUsd: deposit.freeMicroUsd,
    spentMicroUsd,
    earnedMicroUsd: earned,
  }
}

/** Blocks read at a time; public nodes refuse much wider ranges. */
const eventBlocks = 5_000n
