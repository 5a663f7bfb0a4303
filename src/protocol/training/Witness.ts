import { define, type MessageOf } from '../SignedMessage.ts'

/** A worker says whose payloads of a round it holds and has decoded. */
export type Witness = MessageOf<typeof types, 'Witness'>

/** EIP-712 types. */
export const types = {
  Witness: [
    { name: 'run', type: 'bytes32' },
    { name: 'worker', type: 'address' },
    { name: 'round', type: 'uint32' },
    /** Hash of the batch with which the phase began, and so of what there was to hold. */
    { name: 'batch', type: 'bytes32' },
    /** Workers by number, one bit each, as hexadecimal digits: worker 0 is the lowest bit of the first. */
    { name: 'held', type: 'string' },
  ],
} as const

export const { schema, hash, sign, verify } = define({ types, name: 'Witness', signer: 'worker' })
