import { define, type MessageOf } from './SignedMessage.ts'

/** One unit of work in a lease, signed by the buyer: here, a completion. */
export type Job = MessageOf<typeof types, 'Job'>

/** EIP-712 types. Its hash is the job's id. */
export const types = {
  Job: [
    /** Random, so that two equal requests are two jobs. */
    { name: 'nonce', type: 'bytes32' },
    { name: 'lease', type: 'bytes32' },
    { name: 'buyer', type: 'address' },
    { name: 'provider', type: 'address' },
    /** `Completion.hashRequest` of what is asked. */
    { name: 'request', type: 'bytes32' },
    { name: 'createdAt', type: 'uint48' },
    { name: 'expiresAt', type: 'uint48' },
  ],
} as const

export const { schema, hash, sign, serialize, deserialize, verify } = define({
  types,
  name: 'Job',
  signer: 'buyer',
})
