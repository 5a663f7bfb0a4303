import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Chain, ChainEvent } from '../chain/Chain.ts'
import { memoryChain, type MemoryChain } from '../chain/memory.ts'
import * as Identity from '../protocol/Identity.ts'
import * as Lease from '../protocol/Lease.ts'
import * as Voucher from '../protocol/Voucher.ts'
import { virtualClock } from '../runtime/virtualClock.ts'
import * as ledger from './ledger.ts'

/** Whatever the contracts do, the sums over their events are what the contracts themselves remember. */
describe('money, lease and account', () => {
  test('agree with the chain after any history', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), async (steps) => {
        const { memory, chains, events } = await play(steps)
        const totals = memory.totals()
        let sums = ledger.noMoney
        const leases = new Map<string, ledger.Lease>()
        for (const event of events) {
          const before = 'lease' in event ? leases.get(event.lease) : undefined
          const reserved = (event.type === 'lease-opened' && before?.total) || 0n
          sums = ledger.money(sums, event, reserved)
          const after = 'lease' in event ? ledger.lease(before, event) : undefined
          if ('lease' in event && after) leases.set(event.lease, after)
        }
        expect(ledger.owed(sums)).toBe(totals.vaultMicroUsd)
        expect(sums.reserved).toBe(totals.reservedMicroUsd)
        expect(sums.claimed - sums.withdrawnByProviders).toBe(totals.earnedMicroUsd)
        for (const [, row] of leases) {
          const state = await chains[0]!.lease(row)
          expect(row.total).toBe(state.totalMicroUsd)
          expect(row.claimed).toBe(state.claimedMicroUsd)
          expect(row.closedAt !== null).toBe(state.state === 'closed')
        }
        for (const { account: address, earned } of await Promise.all(chains.map(earnedOf))) {
          const row = events.reduce(
            (before, event) =>
              concerns(event, address) ? ledger.account(before, address, event) : before,
            ledger.newAccount,
          )
          expect(row.claimed - row.earningsWithdrawn).toBe(earned)
        }
      }),
      { numRuns: 60 },
    )
  })
})

describe('owed', () => {
  test('is nothing before anything happened', () => {
    expect(ledger.owed(ledger.noMoney)).toBe(0n)
  })
})

const parties = [1, 2, 3].map((byte) => Identity.from(new Uint8Array(32).fill(byte)))
const party = fc.integer({ min: 0, max: parties.length - 1 })
const amount = fc.bigInt({ min: 0n, max: 50n })

type Step = {
  readonly kind: 'deposit' | 'open' | 'claim' | 'close' | 'earn' | 'ask' | 'withdraw'
  readonly buyer: number
  readonly provider: number
  readonly amountMicroUsd: bigint
}

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom('deposit', 'open', 'claim', 'close', 'earn', 'ask', 'withdraw'),
  buyer: party,
  provider: party,
  amountMicroUsd: amount,
})

/** Plays the steps; the contracts refuse many of them, and those leave no event. */
async function play(
  steps: readonly Step[],
): Promise<{ memory: MemoryChain; chains: readonly Chain[]; events: readonly ChainEvent[] }> {
  const clock = virtualClock()
  const memory = memoryChain({ clock }, { blockTimeMs: 0, withdrawalDelaySeconds: 1 })
  const chains = parties.map((identity) => memory.connect(identity))
  for (const { address } of parties) memory.mint(address, 1_000n)
  for (const { kind, buyer, provider, amountMicroUsd } of steps) {
    await clock.run(clock.now() + 1_000)
    await act(memory, chains, { kind, buyer, provider, amountMicroUsd }).catch(() => undefined)
  }
  const { number } = await chains[0]!.head()
  return { memory, chains, events: await chains[0]!.events({ from: 0n, to: number }) }
}

async function act(memory: MemoryChain, chains: readonly Chain[], step: Step): Promise<void> {
  const { domain } = memory
  const [payer, payee] = [parties[step.buyer]!, parties[step.provider]!]
  const [own, other] = [chains[step.buyer]!, chains[step.provider]!]
  const { amountMicroUsd } = step
  const key = { buyer: payer.address, provider: payee.address, nonce: 1n }
  if (step.kind === 'deposit')
    await own.send({ type: 'deposit', buyer: payer.address, amountMicroUsd })
  if (step.kind === 'open') {
    const { timestampSeconds } = await own.head()
    const lease: Lease.Lease = {
      ...key,
      totalMicroUsd: amountMicroUsd,
      expirySeconds: timestampSeconds + 3_600,
      deadlineSeconds: timestampSeconds + 600,
      terms: `0x${'00'.repeat(32)}`,
    }
    const { message, signature } = Lease.sign(domain, lease, payer)
    await other.send({ type: 'open-lease', lease: message, signature })
  }
  if (step.kind === 'claim') {
    const voucher = { lease: Lease.id(key), cumulativeMicroUsd: amountMicroUsd }
    const { signature } = Voucher.sign(domain, voucher, payer)
    const claim = { ...key, cumulativeMicroUsd: amountMicroUsd, signature }
    await other.send({ type: 'claim', provider: payee.address, claims: [claim] })
  }
  if (step.kind === 'close') await other.send({ type: 'close-lease', key })
  if (step.kind === 'earn') await other.send({ type: 'withdraw-earned' })
  if (step.kind === 'ask') await own.send({ type: 'request-withdrawal', amountMicroUsd })
  if (step.kind === 'withdraw') await own.send({ type: 'withdraw' })
}

async function earnedOf(chain: Chain): Promise<{ account: `0x${string}`; earned: bigint }> {
  return { account: chain.account, earned: await chain.earned(chain.account) }
}

function concerns(event: ChainEvent, address: string): boolean {
  return (
    ('buyer' in event && event.buyer === address) ||
    ('provider' in event && event.provider === address)
  )
}
