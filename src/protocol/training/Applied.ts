import { define, type MessageOf } from '../SignedMessage.ts'

/** A worker says which state it has after a round, and how it got on; the numbers are its own word and decide nothing. */
export type Applied = MessageOf<typeof types, 'Applied'>

/** EIP-712 types. */
export const types = {
  Applied: [
    { name: 'run', type: 'bytes32' },
    { name: 'worker', type: 'address' },
    /** How many rounds are in the state; 0 for the first state. */
    { name: 'rounds', type: 'uint32' },
    { name: 'replica', type: 'bytes32' },
    /** Hash of the batch that closed the round before; the run's id for the first state. */
    { name: 'batch', type: 'bytes32' },
    /** Mean loss of its own steps in the round before, millionths of a nat a token; 0 if it took none. */
    { name: 'lossMicro', type: 'uint32' },
    /** Loss of this state on data that is held out, likewise; 0 if it does not measure it. */
    { name: 'heldOutMicro', type: 'uint32' },
    /** Bytes of payloads, error vectors and states that it has sent and received in the whole run. */
    { name: 'sentBytes', type: 'uint48' },
    { name: 'receivedBytes', type: 'uint48' },
  ],
} as const

export const { schema, hash, sign, verify } = define({ types, name: 'Applied', signer: 'worker' })
