import { define, type MessageOf } from '../SignedMessage.ts'

/** A worker leaves a run; what it delivered stays and is paid. */
export type Leave = MessageOf<typeof types, 'Leave'>

/** EIP-712 types. */
export const types = {
  Leave: [
    { name: 'run', type: 'bytes32' },
    { name: 'worker', type: 'address' },
    /** The attempt that it ends. */
    { name: 'attempt', type: 'uint32' },
  ],
} as const

export const { schema, hash, sign, verify } = define({ types, name: 'Leave', signer: 'worker' })
