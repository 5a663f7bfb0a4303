/**
 * Owns the port to the contracts in `contracts/` and its two adapters: `viemChain` for any EVM chain,
 * `memoryChain` with the same rules in this process; and how a local chain is started and the
 * contracts are put on one. It does not decide when to claim or what to pay: `settlement/` and
 * `buyer/` do.
 */
export * from './Chain.ts'
export { memoryChain, type MemoryChain, type Totals } from './memory.ts'
export { viemChain, readParameters } from './viem.ts'
export { deploy, type Deployment } from './deploy.ts'
export { startDevnet, type Devnet, type DevnetOptions } from './devnet.ts'
