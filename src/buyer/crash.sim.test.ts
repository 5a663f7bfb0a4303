import { describe, expect, test } from 'vitest'
import { wordRequest } from '../../test/engines.ts'
import { mortal } from '../../test/mortal.ts'
import { identityOf, smallMarket } from '../../test/smallMarket.ts'
import { memoryStore } from '../runtime/memoryStore.ts'
import type { Buyer } from './Buyer.ts'

/** A buyer that dies at its n-th call to disk, chain or network, while it buys, and its next life. */
async function dieAt(call: number, when: 'before' | 'after') {
  const market = smallMarket()
  const provider = await market.provider(1)
  const store = memoryStore()
  const { peerId } = identityOf(100)
  const life = mortal({
    clock: market.clock,
    call,
    when,
    onDeath: () => market.network.crash(peerId),
  })
  const settings = { leaseBudgetMicroUsd: 400n }
  const delivered: string[] = []

  const first = market.buyer({
    store: life.store(store),
    network: (network) => life.network(network),
    settings,
  })
  const buyAll = async (buyer: Buyer) => {
    for (let seed = 0; seed < 4; seed++)
      for await (const event of buyer.complete(wordRequest({ seed })))
        if (event.type === 'completion-end') delivered.push(event.receipt.message.job)
  }
  void first.then(buyAll).catch(() => {})
  await market.pass(10_000)

  const died = life.dead()
  // It may also die while it stops.
  if (!died) void first.then((buyer) => stop(buyer))
  await market.pass(2_000)
  const second = await market.buyer({ store, settings, wallet: 0n })
  await market.drive(buyAll(second))
  await market.pass(30_000)
  return { market, provider, second, delivered, died }
}

async function stop(buyer: Buyer): Promise<void> {
  await buyer[Symbol.asyncDispose]()
}

describe('startBuyer', () => {
  test.each(['before', 'after'] as const)(
    'pays for all that was delivered, and for nothing else, wherever it died: %s the call',
    async (when) => {
      let deaths = 0
      for (let call = 1; call <= 40; call++) {
        const { market, provider, second, delivered, died } = await dieAt(call, when)
        if (died) deaths++
        const jobs = await market.drive(second.jobs())
        const states = new Map(jobs.map(({ job, state }) => [job, state]))
        for (const job of delivered)
          expect([call, states.get(job as never)]).toEqual([call, 'paid'])
        expect(jobs.every(({ state }) => state === 'paid' || state === 'failed')).toBe(true)
        const price = jobs.reduce((sum, { priceMicroUsd }) => sum + priceMicroUsd, 0n)
        const { spentMicroUsd } = await market.drive(second.balance())
        expect([call, spentMicroUsd]).toEqual([call, price])
        const heard = provider.leases().reduce((sum, { paidMicroUsd }) => sum + paidMicroUsd, 0n)
        expect([call, heard]).toEqual([call, price])
      }
      expect(deaths).toBeGreaterThan(25)
    },
    300_000,
  )
})
