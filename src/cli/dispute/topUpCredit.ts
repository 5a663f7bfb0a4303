import type { Chain } from '../../chain/Chain.ts'
import { BaseError } from '../../runtime/Errors.ts'
import { formatUsd } from '../money.ts'

/**
 * Sees to it that an account has at least so much credit for bonds, reserved or free, from its own money.
 *
 * @throws {ShortOfCreditError} when it has not enough.
 */
export async function topUpCredit(
  chain: Pick<Chain, 'account' | 'credit' | 'balance' | 'send'>,
  leastMicroUsd: bigint,
): Promise<void> {
  const { account } = chain
  const { freeMicroUsd, reservedMicroUsd } = await chain.credit(account)
  const amountMicroUsd = leastMicroUsd - freeMicroUsd - reservedMicroUsd
  if (amountMicroUsd <= 0n) return
  const balance = await chain.balance(account)
  if (balance < amountMicroUsd) throw new ShortOfCreditError({ account, amountMicroUsd, balance })
  await chain.send({ type: 'dispute-deposit', account, amountMicroUsd })
}

/** Thrown when an account has too little for the bonds it should be able to answer for. */
class ShortOfCreditError extends BaseError {
  override readonly code = 'Cli.ShortOfCreditError'

  constructor(facts: { account: string; amountMicroUsd: bigint; balance: bigint }) {
    super('The account has too little stable money for its bonds.', {
      metaMessages: [
        `Account: ${facts.account}`,
        `Missing: ${formatUsd(facts.amountMicroUsd)}; in the wallet: ${formatUsd(facts.balance)}`,
        'Fix: send the account stable money (`weft faucet` on a test network), or ask for less with --credit.',
      ],
    })
  }
}
