import { Command } from 'commander'
import * as Json from '../protocol/Json.ts'
import { joinNetwork, withPartyOptions, type Party, type PartyOptions } from './joinNetwork.ts'
import { formatUsd, parseUsd } from './money.ts'
import { run } from './run.ts'

/** `weft withdraw`: asks free money back, and takes it once the delay has passed. */
export function withdrawCommand(): Command {
  return withPartyOptions(new Command('withdraw'))
    .description('ask free money back; run it again after the delay to take it')
    .argument('[usd]', 'amount in USD (default: all that is free)', parseUsd)
    .option('--earned', 'take what this account earned as a provider instead; no delay')
    .action((amount: bigint | undefined, options: PartyOptions & { earned?: boolean }) =>
      run(options, async () => {
        await using party = await joinNetwork('withdraw', options)
        const result = options.earned ? await takeEarned(party) : await takeDeposit(party, amount)
        console.log(options.json ? Json.stringify(result) : result.message)
      }),
    )
}

async function takeEarned({ chain, identity }: Party) {
  const earned = await chain.earned(identity.address)
  if (earned === 0n) return { state: 'nothing', message: 'Nothing has been earned yet.' }
  await chain.send({ type: 'withdraw-earned' })
  return { state: 'withdrawn', message: `Withdrew ${formatUsd(earned)} to ${identity.address}.` }
}

async function takeDeposit({ chain, identity, clock }: Party, amount: bigint | undefined) {
  const deposit = await chain.deposit(identity.address)
  const { timestampSeconds } = await chain.head()
  if (deposit.withdrawableAtSeconds === 0) {
    const asked = amount ?? deposit.freeMicroUsd
    if (asked === 0n) return { state: 'nothing', message: 'Nothing is free to withdraw.' }
    await chain.send({ type: 'request-withdrawal', amountMicroUsd: asked })
    const { withdrawableAtSeconds } = await chain.deposit(identity.address)
    const wait = Math.max(0, withdrawableAtSeconds - Math.floor(clock.now() / 1000))
    return {
      state: 'requested',
      withdrawableAtSeconds,
      message: `Asked for ${formatUsd(asked)} back. Run this again in ${wait} seconds to take it.`,
    }
  }
  const left = deposit.withdrawableAtSeconds - timestampSeconds
  if (left > 0)
    return {
      state: 'waiting',
      withdrawableAtSeconds: deposit.withdrawableAtSeconds,
      message: `${formatUsd(deposit.withdrawingMicroUsd)} can be taken in ${left} seconds.`,
    }
  const { transaction } = await chain.send({ type: 'withdraw' })
  return { state: 'withdrawn', transaction, message: `Withdrawn in transaction ${transaction}.` }
}
