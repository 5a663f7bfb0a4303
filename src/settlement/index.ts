/**
 * Turns vouchers into money on the chain, in batches and before it is too late, and sees to it that no
 * lease stays open for ever. It holds no vouchers itself: the provider's journal does, until the chain
 * has closed the lease for good. And it carries disputes on the chain for one party; which move is right,
 * it is told (`verification/`).
 */
export { owedMicroUsd, planClaims, type Claimable, type Item, type Plan } from './planClaims.ts'
export {
  type DisputePlayer,
  type OffChain,
  type OurDispute,
  type Report,
  type Seat,
} from './DisputePorts.ts'
export { startDisputeKeeper, type DisputeKeeper } from './startDisputeKeeper.ts'
export { startKeeper, type Keeper } from './startKeeper.ts'
export { startSettlement, type Round, type Settlement } from './startSettlement.ts'
