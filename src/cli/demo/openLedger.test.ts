import { describe, expect, test } from 'vitest'
import { runUntilDone } from '../../../test/runUntilDone.ts'
import { identityOf } from '../../../test/smallMarket.ts'
import { memoryChain } from '../../chain/memory.ts'
import type * as Hex from '../../protocol/Hex.ts'
import { seededRandom } from '../../runtime/seededRandom.ts'
import { virtualClock } from '../../runtime/virtualClock.ts'
import { openLedger } from './openLedger.ts'

const [buyer, customer, validator, provider] = [1, 2, 3, 4].map(
  (number) => identityOf(number).address,
) as [Hex.Address, Hex.Address, Hex.Address, Hex.Address]

/** A buyer with a deposit and a provider with credit for bonds, of twenty micro-USD in all. */
async function begin() {
  const clock = virtualClock()
  const world = memoryChain({ clock, random: seededRandom(1) })
  world.mint(buyer, 10n)
  world.mint(provider, 10n)
  const drive = <result>(work: Promise<result>) => runUntilDone(clock, work)
  const chain = world.connect(buyer)
  await drive(chain.send({ type: 'deposit', buyer, amountMicroUsd: 4n }))
  const deposit = { type: 'dispute-deposit', account: provider, amountMicroUsd: 3n } as const
  await drive(world.connect(provider).send(deposit))
  const parties = { buyer, customer, validator, providers: [provider], minted: 20n }
  return { chain, parties, drive }
}

describe('openLedger', () => {
  test('finds all money, wherever it is', async () => {
    const { chain, parties, drive } = await begin()
    expect(await drive(openLedger({ ...parties, chain }).read())).toMatchObject({
      buyerWallet: 6n,
      buyerFree: 4n,
      disputes: 3n,
      accounted: 20n,
      conserved: true,
    })
  })

  test('looks again when money moved while it was counted', async () => {
    const { chain, parties, drive } = await begin()
    let moving = 2
    const balance = async (account: Hex.Address) => {
      const found = await chain.balance(account)
      // Like a deposit of one that lands after the buyer was asked, and before the vault is.
      return account === chain.domain.vault && moving-- > 0 ? found + 1n : found
    }
    const ledger = openLedger({ ...parties, chain: { ...chain, balance } })
    expect(await drive(ledger.read())).toMatchObject({ conserved: true })
    expect(moving).toBeLessThan(0)
  })

  test('says so when money is gone for good', async () => {
    const { chain, parties, drive } = await begin()
    const ledger = openLedger({ ...parties, minted: 21n, chain })
    expect(await drive(ledger.read())).toMatchObject({ accounted: 20n, conserved: false })
  })
})
