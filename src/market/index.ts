/**
 * The market's decisions, all of them pure: who would serve an order and why not (`screen`), what a
 * winning bid is paid (`auction`), which bids to accept (`select`), and what a provider's past says
 * (`Reputation`). It holds no state, sends nothing and knows no clock; buyer and provider call it.
 */
export { auction, expectedCost, within, type Award, type Prices } from './auction.ts'
export * as Reputation from './Reputation.ts'
export { codes, modelFor, screen } from './screen.ts'
export { criteria, handicapMicro, policies, select, type Candidate, type Policy } from './select.ts'
