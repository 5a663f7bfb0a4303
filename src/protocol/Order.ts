import { define, type MessageOf } from './SignedMessage.ts'

/** What a buyer wants: a model, a tier, a price ceiling, a budget and a time. */
export type Order = MessageOf<typeof types, 'Order'>

/** EIP-712 types. */
export const types = {
  Order: [
    /** Random, so that two equal orders differ. */
    { name: 'nonce', type: 'bytes32' },
    { name: 'buyer', type: 'address' },
    { name: 'model', type: 'string' },
    /** SHA-256 of the weights wanted, or zero for any. */
    { name: 'weights', type: 'bytes32' },
    { name: 'tier', type: 'string' },
    { name: 'maxInputMicroUsdPerMillion', type: 'uint64' },
    { name: 'maxOutputMicroUsdPerMillion', type: 'uint64' },
    /** The most the lease may reserve. */
    { name: 'budgetMicroUsd', type: 'uint96' },
    { name: 'durationMs', type: 'uint48' },
    { name: 'concurrency', type: 'uint16' },
    /** Who may ask the provider for the jobs' contents to check them. */
    { name: 'validators', type: 'address[]' },
    { name: 'createdAt', type: 'uint48' },
    { name: 'expiresAt', type: 'uint48' },
  ],
} as const

export const { schema, hash, sign, serialize, deserialize, verify } = define({
  types,
  name: 'Order',
  signer: 'buyer',
})
