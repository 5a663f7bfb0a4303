/**
 * Sells work: gossips an offer, bids on orders, serves leases, meters, signs receipts and claims, and takes vouchers,
 * with a journal from which it goes on after `kill -9`. It does not claim what it is owed (settlement/),
 * nor judge what others deliver (verification/), nor run a model itself (engine/).
 */
export * as Meter from './Meter.ts'
export { RefusedError, type Code } from './RefusedError.ts'
export { type Options, type Prices, type Settings } from './Settings.ts'
export { startProvider, type Claimable, type LeaseView, type Provider } from './startProvider.ts'
