/**
 * How peers reach each other and move large things. This folder owns the ports `Network` (requests, streams, gossip) and
 * `Bulk` (content by its hash), their adapters, and one compliance suite that every network passes. It does not own what
 * is said: names of protocols and topics, and the messages, are in `protocol/`; nor whom to trust or whom to ask.
 */
export * as Bulk from './Bulk.ts'
export * as Network from './Network.ts'
export { httpsBulk } from './https.ts'
export { libp2pNetwork } from './libp2p.ts'
export { memoryNetwork, type Faults, type MemoryNetwork } from './memory.ts'
