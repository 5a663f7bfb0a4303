import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Devnet, startDevnet } from '../src/chain/devnet.ts'
import { type DisputeChain, disputeChain } from './disputeChain.ts'
import { playFaults } from './playFaults.ts'

/** `npm run test:judge-full` plays three hundred. */
const full = process.env['MODE'] === 'judge-full'
const count = full ? 300 : 6

let devnet: Devnet
let chain: DisputeChain
beforeAll(async () => {
  devnet = await startDevnet({ blockTimeSeconds: 0 })
  chain = await disputeChain(devnet)
}, 300_000)
afterAll(() => devnet[Symbol.asyncDispose]())

describe('a dispute on the chain', () => {
  test(
    `is lost by who lies, and ends where the fault is, in ${count} faulty runs and games`,
    { timeout: 3_600_000 },
    async () => {
      const ends: Record<string, number> = {}
      const options = { first: full ? 20_000 : 20_003, count, play: chain.play }
      for await (const { number, scenario, fault, guilty, played, problems } of playFaults(
        options,
      )) {
        expect(problems, `dispute ${number}: ${scenario}, ${fault}`).toEqual([])
        const name = `${guilty}: ${scenario}, ${played.reason}`
        ends[name] = (ends[name] ?? 0) + 1
      }
      const { claimant, challenger } = chain
      const { address } = claimant.chain.parameters.disputes
      const credits = await Promise.all(
        [claimant, challenger].map(({ chain: account, identity }) =>
          account.credit(identity.address),
        ),
      )
      const owed = credits.reduce(
        (sum, each) => sum + each.freeMicroUsd + each.reservedMicroUsd,
        0n,
      )
      expect(await claimant.chain.balance(address)).toBe(owed)
      expect(Math.max(...chain.gas)).toBeLessThan(4_000_000)
      if (full) {
        const sorted = chain.gas.toSorted((a, b) => a - b)
        const middle = sorted[Math.floor(sorted.length / 2)]
        console.info({ count, ends, gas: { median: middle, most: sorted.at(-1) } })
      }
    },
  )
})
