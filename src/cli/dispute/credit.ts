import { Command } from 'commander'
import type * as Hex from '../../protocol/Hex.ts'
import * as Json from '../../protocol/Json.ts'
import { joinNetwork, withPartyOptions, type PartyOptions } from '../joinNetwork.ts'
import { formatUsd, parseUsd } from '../money.ts'
import { parseAddress } from '../parseOptions.ts'
import { run } from '../run.ts'

/** `weft dispute deposit`: pays in credit for bonds. */
export function depositCommand(): Command {
  return withPartyOptions(new Command('deposit'))
    .description('pay in credit for bonds, from our own stable money')
    .argument('<usd>', 'amount in USD', parseUsd)
    .option('--account <address>', 'credit this account instead of our own', parseAddress)
    .action((amountMicroUsd: bigint, options: PartyOptions & { account?: Hex.Address }) =>
      run(options, async () => {
        await using party = await joinNetwork('deposit', options)
        const { chain, identity } = party
        const account = options.account ?? identity.address
        const { transaction } = await chain.send({
          type: 'dispute-deposit',
          account,
          amountMicroUsd,
        })
        const credit = await chain.credit(account)
        if (options.json) return console.log(Json.stringify({ account, transaction, ...credit }))
        const { freeMicroUsd, reservedMicroUsd } = credit
        console.log(`Paid in ${formatUsd(amountMicroUsd)} for bonds of ${account}.`)
        console.log(`free ${formatUsd(freeMicroUsd)}, reserved ${formatUsd(reservedMicroUsd)}`)
      }),
    )
}

/** `weft dispute withdraw`: asks credit back, and takes it once the delay has passed. */
export function withdrawCommand(): Command {
  return withPartyOptions(new Command('withdraw'))
    .description('ask free credit back; run it again after the delay to take it')
    .argument('[usd]', 'amount in USD (default: all that is free)', parseUsd)
    .action((amount: bigint | undefined, options: PartyOptions) =>
      run(options, async () => {
        await using party = await joinNetwork('withdraw', options)
        const { chain, identity } = party
        const credit = await chain.credit(identity.address)
        const { timestampSeconds } = await chain.head()
        const say = (state: string, message: string) =>
          console.log(options.json ? JSON.stringify({ state }) : message)
        if (credit.withdrawableAtSeconds === 0 || amount !== undefined) {
          const amountMicroUsd = amount ?? credit.freeMicroUsd
          if (amountMicroUsd === 0n) return say('nothing', 'Nothing is free.')
          await chain.send({ type: 'dispute-request-withdrawal', amountMicroUsd })
          const delay = chain.parameters.disputes.withdrawalDelaySeconds
          return say(
            'asked',
            `Asked ${formatUsd(amountMicroUsd)} back. Run this again in ${delay} seconds to take it.`,
          )
        }
        const leftSeconds = credit.withdrawableAtSeconds - timestampSeconds
        if (leftSeconds > 0)
          return say('waiting', `It can be taken in ${leftSeconds} seconds: run this again then.`)
        await chain.send({ type: 'dispute-withdraw' })
        const { freeMicroUsd } = await chain.credit(identity.address)
        return say('taken', `Taken. ${formatUsd(freeMicroUsd)} stay as credit.`)
      }),
    )
}
