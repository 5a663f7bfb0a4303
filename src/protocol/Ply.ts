import { defineStruct, type MessageOf } from './SignedMessage.ts'

/**
 * One move of a dispute that is played off the chain, by the position that it leads to. Whoever moves signs
 * it, and so does who accepts it; what both have signed, the chain takes up (`docs/disputes.md`).
 */
export type Ply = MessageOf<typeof types, 'Ply'>

/** EIP-712 types. */
export const types = {
  Ply: [
    /** Id of the dispute. */
    { name: 'dispute', type: 'bytes32' },
    /** How many moves led here. */
    { name: 'number', type: 'uint32' },
    /** Hash of the position, and whose turn it is there: 0 the claimant's, 1 the challenger's. */
    { name: 'position', type: 'bytes32' },
    { name: 'turn', type: 'uint8' },
    /** What is left of each clock. */
    { name: 'claimantSeconds', type: 'uint32' },
    { name: 'challengerSeconds', type: 'uint32' },
  ],
} as const

export const { schema, hash, sign, serialize, deserialize, verifyBy } = defineStruct({
  types,
  name: 'Ply',
})
