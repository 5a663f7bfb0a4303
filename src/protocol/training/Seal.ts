import { define, type MessageOf } from '../SignedMessage.ts'

/** A scorer bound to scores that it does not show yet, so that nobody copies them. */
export type Seal = MessageOf<typeof types, 'Seal'>

/** EIP-712 types. */
export const types = {
  Seal: [
    { name: 'run', type: 'bytes32' },
    { name: 'scorer', type: 'address' },
    { name: 'round', type: 'uint32' },
    /** Hash of the batch that closed the round. */
    { name: 'batch', type: 'bytes32' },
    /** Which group of the round's contributions. */
    { name: 'group', type: 'uint32' },
    /** What `sealOf` makes of the scores. */
    { name: 'seal', type: 'bytes32' },
  ],
} as const

export const { schema, hash, sign, verify } = define({ types, name: 'Seal', signer: 'scorer' })
