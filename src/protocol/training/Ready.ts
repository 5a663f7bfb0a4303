import { define, type MessageOf } from '../SignedMessage.ts'

/** In a private run: a worker has taken its steps of a round, and may be in the sum that the log fixes next. */
export type Ready = MessageOf<typeof types, 'Ready'>

/** EIP-712 types. */
export const types = {
  Ready: [
    { name: 'run', type: 'bytes32' },
    { name: 'worker', type: 'address' },
    { name: 'round', type: 'uint32' },
    /** Hash of the batch with which the phase began: in a log without it the entry has no effect. */
    { name: 'batch', type: 'bytes32' },
    /** Replica hash of the state that the steps began from. */
    { name: 'parent', type: 'bytes32' },
    /** X25519 public key that it will use for this sum alone. */
    { name: 'key', type: 'bytes32' },
  ],
} as const

export const { schema, hash, sign, verify } = define({ types, name: 'Ready', signer: 'worker' })
