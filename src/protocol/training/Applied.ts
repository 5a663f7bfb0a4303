import { define, type MessageOf } from '../SignedMessage.ts'

/** A worker says which state it has after a round. */
export type Applied = MessageOf<typeof types, 'Applied'>

/** EIP-712 types. */
export const types = {
  Applied: [
    { name: 'run', type: 'bytes32' },
    { name: 'worker', type: 'address' },
    /** How many rounds are in the state; 0 for the first state. */
    { name: 'rounds', type: 'uint32' },
    { name: 'replica', type: 'bytes32' },
  ],
} as const

export const { schema, hash, sign, verify } = define({ types, name: 'Applied', signer: 'worker' })
