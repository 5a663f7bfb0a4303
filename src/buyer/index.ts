/**
 * The buyer's side: it knows the offers, orders, accepts bids, signs leases, sends jobs, checks receipts
 * against what it received, waits for verdicts, and signs vouchers. It decides nothing about the market
 * by itself (that is `market/`), moves no money but by signing, and serves no HTTP (that is `gateway/`).
 */
export type * from './Buyer.ts'
export { BusyError, InterruptedError, NoProviderError } from './Buyer.ts'
export { checkClaim, unchecked } from './checkClaim.ts'
export { checkReceipt, inputTokensLimit } from './checkReceipt.ts'
export { startBuyer } from './startBuyer.ts'
