import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type * as Hex from '../protocol/Hex.ts'
import { claimOf, owedMicroUsd, planClaims, type Item } from './planClaims.ts'

const address = (digit: string): Hex.Address => `0x${digit.repeat(40)}`
const facts: planClaims.Facts = {
  nowMs: 1_000_000,
  headNumber: 100n,
  headSeconds: 1_000,
  batchSize: 3,
  batchMicroUsd: 1_000n,
  voucherCostMicroUsd: 0n,
  maxAgeMs: 30_000,
  expiryMarginSeconds: 60,
  confirmations: 2,
}

function item({
  promised = 0n,
  claimed = 0n,
  total = 10_000n,
  expirySeconds = 9_000,
  state = 'open' as 'none' | 'open' | 'closed',
  ...rest
}: Partial<Item> extends infer fields
  ? Omit<fields, 'state'> & {
      promised?: bigint
      claimed?: bigint
      total?: bigint
      expirySeconds?: number
      state?: 'none' | 'open' | 'closed'
    }
  : never = {}): Item {
  return {
    key: { buyer: address('a'), provider: address('b'), nonce: 7n },
    voucher:
      promised === 0n
        ? undefined
        : { message: { lease: '0x00', cumulativeMicroUsd: promised }, signature: '0x01' },
    release: false,
    state: { state, totalMicroUsd: total, claimedMicroUsd: claimed, expirySeconds },
    owedSince: facts.nowMs,
    paidAtBlock: undefined,
    ...rest,
  }
}

describe('planClaims', () => {
  test('waits while little has gathered', () => {
    expect(planClaims([item({ promised: 999n })], facts)).toEqual({ batches: [], closes: [] })
  })

  test('claims all together when enough has gathered', () => {
    const items = [item({ promised: 600n }), item({ promised: 400n })]
    expect(planClaims(items, facts).batches).toEqual([items])
  })

  test('claims all when one voucher has waited long enough', () => {
    const items = [item({ promised: 1n, owedSince: facts.nowMs - 30_000 }), item({ promised: 2n })]
    expect(planClaims(items, facts).batches.flat()).toHaveLength(2)
  })

  test('claims when an expiry nears', () => {
    const ending = item({ promised: 1n, expirySeconds: 1_060 })
    expect(planClaims([ending], facts).batches).toEqual([[ending]])
  })

  test('claims what is to be released before it closes it', () => {
    const leaving = item({ promised: 5n, release: true })
    expect(planClaims([leaving], facts)).toEqual({ batches: [[leaving]], closes: [] })
  })

  test('splits into batches, those that expire first in front', () => {
    const items = [9_000, 2_000, 5_000, 3_000].map((expirySeconds) =>
      item({ promised: 900n, expirySeconds }),
    )
    const expiries = planClaims(items, facts).batches.map((batch) =>
      batch.map(({ state }) => state.expirySeconds),
    )
    expect(expiries).toEqual([[2_000, 3_000, 5_000], [9_000]])
  })

  test('leaves amounts that cost more gas than they are worth', () => {
    const costly = { ...facts, voucherCostMicroUsd: 50n }
    const dust = item({ promised: 50n, owedSince: 0 })
    expect(planClaims([dust], costly).batches).toEqual([])
    expect(planClaims([{ ...dust, release: true }], costly).closes).toHaveLength(1)
  })

  test('claims nothing in leases that are not open, expired, or promised too much', () => {
    const items = [
      item({ promised: 2_000n, state: 'none' }),
      item({ promised: 2_000n, state: 'closed' }),
      item({ promised: 2_000n, expirySeconds: 1_000 }),
      item({ promised: 2_000n, total: 1_999n }),
    ]
    expect(planClaims(items, facts).batches).toEqual([])
  })

  test('closes what has expired', () => {
    const expired = item({ expirySeconds: 1_000 })
    expect(
      planClaims([expired, item({ state: 'closed', expirySeconds: 1 })], facts).closes,
    ).toEqual([expired])
  })

  test('closes what is to be released and owes nothing', () => {
    const idle = item({ release: true })
    expect(planClaims([idle], facts).closes).toEqual([idle])
  })

  test('closes after a claim only when it is some blocks deep', () => {
    const paid = item({ promised: 5n, claimed: 5n, release: true })
    const at = (paidAtBlock: bigint | undefined) =>
      planClaims([{ ...paid, paidAtBlock }], facts).closes.length
    expect([at(undefined), at(100n), at(99n), at(98n)]).toEqual([0, 0, 0, 1])
  })

  test('never plans more than is promised, reserved, or fits a batch', () => {
    const amount = fc.bigInt({ min: 0n, max: 20_000n })
    const items = fc.array(
      fc
        .record({
          promised: amount,
          claimed: amount,
          total: amount,
          expirySeconds: fc.integer({ min: 900, max: 1_100 }),
          release: fc.boolean(),
          state: fc.constantFrom('none' as const, 'open' as const, 'closed' as const),
        })
        .map(item),
    )
    fc.assert(
      fc.property(items, (all) => {
        const { batches, closes } = planClaims(all, facts)
        for (const batch of batches) {
          expect(batch.length).toBeLessThanOrEqual(facts.batchSize)
          for (const { voucher, state } of batch) {
            expect(voucher!.message.cumulativeMicroUsd).toBeLessThanOrEqual(state.totalMicroUsd)
            expect(voucher!.message.cumulativeMicroUsd).toBeGreaterThan(state.claimedMicroUsd)
          }
        }
        const claimed = new Set(batches.flat())
        expect(closes.filter((entry) => claimed.has(entry))).toEqual([])
      }),
    )
  })
})

describe('owedMicroUsd', () => {
  test('is what the voucher promises beyond what was claimed', () => {
    expect(owedMicroUsd(item({ promised: 9n, claimed: 4n }))).toBe(5n)
    expect(owedMicroUsd(item({ promised: 4n, claimed: 4n }))).toBe(0n)
    expect(owedMicroUsd(item())).toBe(0n)
  })
})

describe('claimOf', () => {
  test('takes the claim from key and voucher', () => {
    expect(claimOf(item({ promised: 9n }))).toEqual({
      buyer: address('a'),
      nonce: 7n,
      cumulativeMicroUsd: 9n,
      signature: '0x01',
    })
  })

  test('refuses an item without a voucher', () => {
    expect(() => claimOf(item())).toThrow(RangeError)
  })
})
