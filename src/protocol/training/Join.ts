import { define, type MessageOf } from '../SignedMessage.ts'

/** A worker enters a run, and says what it will compute with and where it is fetched from. */
export type Join = MessageOf<typeof types, 'Join'>

/** EIP-712 types. */
export const types = {
  Join: [
    { name: 'run', type: 'bytes32' },
    { name: 'worker', type: 'address' },
    { name: 'peer', type: 'string' },
    /** Its bulk source. */
    { name: 'url', type: 'string' },
    { name: 'certificate', type: 'bytes32' },
    /** What it found the order's graph and data to be on its own disk. */
    { name: 'graph', type: 'bytes32' },
    { name: 'data', type: 'bytes32' },
    /** Hash over the compliance suite on its back end: a wrong runtime is found before it earns anything. */
    { name: 'compliance', type: 'bytes32' },
    /** Joining again after having left or been dropped takes a higher number. */
    { name: 'attempt', type: 'uint32' },
  ],
} as const

export const { schema, hash, sign, verify } = define({ types, name: 'Join', signer: 'worker' })
