import type { Reason } from '../../protocol/Exchange.ts'
import type { Context } from './context.ts'

/** How long the question for the deposit may hold up an order. */
const patienceMs = 5_000

/** The free part of the deposit, and how it is filled. */
export type Funds = {
  /**
   * How much of `wantedMicroUsd` can be reserved now, after topping up. While the chain cannot be asked,
   * all of it: the contract has the last word anyway.
   */
  reservable(wantedMicroUsd: bigint): Promise<bigint>
  /** Brings the free deposit back to what is to be kept. */
  topUp(): Promise<void>
}

/** Creates the keeper of the deposit. One top-up runs at a time. */
export function createFunds(context: Context): Funds {
  const { chain, identity, settings, background, clock, logger } = context
  let toppingUp: Promise<void> | undefined

  /** Signed away, but perhaps not on the chain yet. */
  const promised = () =>
    [...context.leases.values()].reduce((sum, { lease, confirmedMicroUsd, state }) => {
      const open = lease.message.totalMicroUsd - confirmedMicroUsd
      return state === 'settled' || open < 0n ? sum : sum + open
    }, 0n)

  async function fill(): Promise<void> {
    const keep = settings.keepDepositMicroUsd
    if (keep === undefined) return
    const { freeMicroUsd } = await chain.deposit(identity.address)
    if (freeMicroUsd >= keep) return
    const wallet = await chain.balance(identity.address)
    const missing = keep - freeMicroUsd
    const amountMicroUsd = wallet < missing ? wallet : missing
    if (amountMicroUsd === 0n) return
    await chain.send(
      { type: 'deposit', buyer: identity.address, amountMicroUsd },
      { signal: background.signal },
    )
    logger.info({ amountMicroUsd: `${amountMicroUsd}` }, 'The deposit was topped up.')
  }

  const topUp = () => (toppingUp ??= fill().finally(() => (toppingUp = undefined)))

  return {
    topUp,
    async reservable(wantedMicroUsd) {
      const asked = async () => {
        await topUp()
        const { freeMicroUsd, withdrawingMicroUsd } = await chain.deposit(identity.address)
        const free = freeMicroUsd - withdrawingMicroUsd - promised()
        if (free <= 0n) return 0n
        return free < wantedMicroUsd ? free : wantedMicroUsd
      }
      const unknown = clock
        .sleep(patienceMs, { signal: background.signal })
        .then(() => wantedMicroUsd)
      unknown.catch(() => {})
      return await Promise.race([asked().catch(() => wantedMicroUsd), unknown])
    },
  }
}

/** Why nothing can be reserved. */
export function emptyDeposit(freeMicroUsd: bigint, wantedMicroUsd: bigint): Reason {
  return {
    code: 'Buyer.DepositError',
    message:
      `The deposit has ${freeMicroUsd} micro-USD free; a lease reserves ${wantedMicroUsd}. ` +
      'Fix: `weft deposit AMOUNT`, or start with --deposit to have it topped up.',
  }
}
