import { define, type MessageOf } from '../SignedMessage.ts'

/** What an auditor found when it ran a segment again. */
export type Audit = MessageOf<typeof types, 'Audit'>

/** `unavailable`: the worker did not hand out what is needed; `declined`: the auditor has not what is needed. */
export const outcomes = ['valid', 'invalid', 'unavailable', 'declined'] as const
export type Outcome = (typeof outcomes)[number]

/** EIP-712 types. */
export const types = {
  Audit: [
    { name: 'run', type: 'bytes32' },
    { name: 'auditor', type: 'address' },
    { name: 'round', type: 'uint32' },
    /** Hash of the batch that closed the round. */
    { name: 'batch', type: 'bytes32' },
    { name: 'worker', type: 'address' },
    /** One of `outcomes`. */
    { name: 'outcome', type: 'string' },
    /** Stable reason code. */
    { name: 'reason', type: 'string' },
  ],
} as const

export const { schema, hash, sign, verify } = define({ types, name: 'Audit', signer: 'auditor' })
