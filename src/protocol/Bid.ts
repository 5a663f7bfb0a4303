import { define, type MessageOf } from './SignedMessage.ts'

/** A provider's signed answer to an order: the terms of the lease it would serve. */
export type Bid = MessageOf<typeof types, 'Bid'>

/** EIP-712 types. */
export const types = {
  Bid: [
    /** Hash of the order. */
    { name: 'order', type: 'bytes32' },
    { name: 'provider', type: 'address' },
    { name: 'model', type: 'string' },
    { name: 'weights', type: 'bytes32' },
    { name: 'quantisation', type: 'string' },
    { name: 'engine', type: 'string' },
    { name: 'tier', type: 'string' },
    { name: 'inputMicroUsdPerMillion', type: 'uint64' },
    { name: 'outputMicroUsdPerMillion', type: 'uint64' },
    { name: 'concurrency', type: 'uint16' },
    /** Delivered work the provider tolerates unpaid before it refuses the next job. */
    { name: 'creditMicroUsd', type: 'uint96' },
    { name: 'expiresAt', type: 'uint48' },
  ],
} as const

export const { schema, hash, sign, serialize, deserialize, verify } = define({
  types,
  name: 'Bid',
  signer: 'provider',
})
