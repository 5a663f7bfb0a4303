/**
 * The gateway puts an OpenAI-compatible HTTP server in front of a buyer, and knows its API keys: who may
 * ask, how much each may spend, and what each has spent. It owns nothing of the market: providers, leases,
 * receipts and payments belong to `buyer/`, which this folder knows by its port alone. x402 and other ways
 * to pay without a key are not here.
 */
export { startGateway, ListenError, type Gateway } from './startGateway.ts'
export { createKey, listKeys, revokeKey, type ApiKey } from './keys.ts'
export { readAccount, type Account } from './startSpending.ts'
export type { WeftField, WeftJob } from './weftField.ts'
