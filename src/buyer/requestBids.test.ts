import { describe, expect, test } from 'vitest'
import { identityOf } from '../../test/smallMarket.ts'
import type * as Bid from '../protocol/Bid.ts'
import * as Hex from '../protocol/Hex.ts'
import type * as Offer from '../protocol/Offer.ts'
import type * as Order from '../protocol/Order.ts'
import { checkBid } from './requestBids.ts'

const { address } = identityOf(1)
const id = Hex.sha256('order')
const order = {
  model: 'words',
  weights: Hex.sha256('words'),
  tier: 'statistical',
  maxInputMicroUsdPerMillion: 10n,
  maxOutputMicroUsdPerMillion: 20n,
} as Order.Order
const bid = {
  order: id,
  provider: address,
  model: 'words',
  weights: order.weights,
  tier: 'statistical',
  inputMicroUsdPerMillion: 10n,
  outputMicroUsdPerMillion: 20n,
  concurrency: 1,
  expiresAt: 101,
} as Bid.Bid
const offer = { provider: address } as Offer.Offer
const check = (changes: Partial<Bid.Bid>, wanted: Partial<Order.Order> = {}) =>
  checkBid({ ...bid, ...changes }, { order: { ...order, ...wanted }, id, offer, now: 100 }).map(
    ({ code }) => code,
  )

describe('checkBid', () => {
  test('finds nothing in a bid that answers the order', () => {
    expect(check({})).toEqual([])
    expect(check({ weights: Hex.zero }, { weights: Hex.zero })).toEqual([])
  })

  test.each([
    ['another provider', { provider: identityOf(2).address }, 'Bid.ProviderDiffers'],
    ['another order', { order: Hex.zero }, 'Bid.OrderDiffers'],
    ['another model', { model: 'poems' }, 'Bid.ModelDiffers'],
    ['other weights', { weights: Hex.zero }, 'Screen.WeightsDiffer'],
    ['another tier', { tier: 'exact' }, 'Bid.TierDiffers'],
    ['a higher price for input', { inputMicroUsdPerMillion: 11n }, 'Bid.PriceTooHigh'],
    ['a higher price for output', { outputMicroUsdPerMillion: 21n }, 'Bid.PriceTooHigh'],
    ['no place', { concurrency: 0 }, 'Bid.NoConcurrency'],
    ['an end that is past', { expiresAt: 100 }, 'Bid.Expired'],
  ] as const)('finds %s', (_, changes, code) => {
    expect(check(changes)).toEqual([code])
  })
})
