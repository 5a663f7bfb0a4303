import { define, type MessageOf } from '../SignedMessage.ts'

/** What a worker delivers for a round: its payload by hash, and the segment that the payload comes from. */
export type Commitment = MessageOf<typeof types, 'Commitment'>

/** EIP-712 types. */
export const types = {
  Commitment: [
    { name: 'run', type: 'bytes32' },
    { name: 'worker', type: 'address' },
    { name: 'round', type: 'uint32' },
    /** Hash of the batch with which the phase began: in a log without it the entry has no effect. */
    { name: 'batch', type: 'bytes32' },
    /** Replica hash of the state that the segment began from. */
    { name: 'parent', type: 'bytes32' },
    { name: 'steps', type: 'uint32' },
    /** SHA-256 of the payload's bytes, and how many they are. */
    { name: 'payload', type: 'bytes32' },
    { name: 'payloadBytes', type: 'uint32' },
    /** State root at the end of the segment. */
    { name: 'end', type: 'bytes32' },
    /** SHA-256 of the error vector that went into the payload; zero for none, all zeros. */
    { name: 'errorBefore', type: 'bytes32' },
    /** That of the one that stays with the worker, if the payload counts and if it does not. */
    { name: 'errorIfAccepted', type: 'bytes32' },
    { name: 'errorIfLate', type: 'bytes32' },
    /** Hash of the segment's `ExactClaim`; zero for tier `unverified`. */
    { name: 'claim', type: 'bytes32' },
  ],
} as const

export const { schema, hash, sign, verify } = define({
  types,
  name: 'Commitment',
  signer: 'worker',
})
