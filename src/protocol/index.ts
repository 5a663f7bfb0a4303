/**
 * The words of the market: one signed message a file, defined once by its EIP-712 types, and the
 * bodies that peers exchange. Pure: no clock, no chain, no network. What to do about a message is the
 * business of the stages; what it is and whether it is genuine is decided here.
 */
export * as Assurance from './Assurance.ts'
export * as Bid from './Bid.ts'
export * as Completion from './Completion.ts'
export * as Dispute from './dispute/index.ts'
export * as Domain from './Domain.ts'
export * as ExactClaim from './ExactClaim.ts'
export * as Exchange from './Exchange.ts'
export * as Hex from './Hex.ts'
export * as Identity from './Identity.ts'
export * as Job from './Job.ts'
export * as Json from './Json.ts'
export * as Lease from './Lease.ts'
export * as Offer from './Offer.ts'
export * as Order from './Order.ts'
export * as Ply from './Ply.ts'
export * as Receipt from './Receipt.ts'
export * as Timeline from './Timeline.ts'
export * as TimelineEvent from './TimelineEvent.ts'
export * as Training from './training/index.ts'
export * as Verdict from './Verdict.ts'
export * as Voucher from './Voucher.ts'
