/**
 * Weft as a library: what a program needs to buy on the network, to check what it bought, and to speak
 * its messages. Providers, validators and gateways run as the `weft` program.
 *
 * @example
 * ```ts
 * import { startBuyer } from 'weft'
 *
 * await using buyer = await startBuyer(ports, { warmModels: 'offered' })
 * for await (const event of buyer.complete(request))
 *   if (event.type === 'completion-delta') process.stdout.write(event.delta.text)
 * ```
 */
export * from './buyer/index.ts'
export * as Market from './market/index.ts'
export * as Assurance from './protocol/Assurance.ts'
export * as Bid from './protocol/Bid.ts'
export * as Completion from './protocol/Completion.ts'
export * as Domain from './protocol/Domain.ts'
export * as Exchange from './protocol/Exchange.ts'
export * as Hex from './protocol/Hex.ts'
export * as Identity from './protocol/Identity.ts'
export * as Job from './protocol/Job.ts'
export * as Lease from './protocol/Lease.ts'
export * as Offer from './protocol/Offer.ts'
export * as Order from './protocol/Order.ts'
export * as Receipt from './protocol/Receipt.ts'
export * as Timeline from './protocol/Timeline.ts'
export * as TimelineEvent from './protocol/TimelineEvent.ts'
export * as Verdict from './protocol/Verdict.ts'
export * as Voucher from './protocol/Voucher.ts'
export type { Signed } from './protocol/SignedMessage.ts'
export { memoryChain, type MemoryChain } from './chain/memory.ts'
export type * from './chain/Chain.ts'
export { memoryNetwork, type MemoryNetwork } from './network/memory.ts'
export type * from './network/Network.ts'
export type { Clock } from './runtime/Clock.ts'
export { BaseError, codeOf, messageOf } from './runtime/Errors.ts'
export type { Logger } from './runtime/Logger.ts'
export { memoryStore } from './runtime/memoryStore.ts'
export type { Random } from './runtime/Random.ts'
export { silentLogger } from './runtime/silentLogger.ts'
export { sqliteStore } from './runtime/sqliteStore.ts'
export type { Store } from './runtime/Store.ts'
export { systemClock } from './runtime/systemClock.ts'
export { systemRandom } from './runtime/systemRandom.ts'
