/**
 * Turns vouchers into money on the chain, in batches and before it is too late, and sees to it that no
 * lease stays open for ever. It holds no vouchers itself: the provider's journal does, until the chain
 * has closed the lease for good.
 */
export { owedMicroUsd, planClaims, type Claimable, type Item, type Plan } from './planClaims.ts'
export { startKeeper, type Keeper } from './startKeeper.ts'
export { startSettlement, type Round, type Settlement } from './startSettlement.ts'
