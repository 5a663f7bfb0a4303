import { define, type MessageOf } from '../SignedMessage.ts'

/** What a buyer wants trained, how, and what it pays; its hash is the id of the run. docs/training-rules.md says what follows. */
export type TrainingOrder = MessageOf<typeof types, 'TrainingOrder'>

/** How a round's updates are made and applied; a node refuses an order by any other rule. */
export const rules = ['sparse'] as const

/** EIP-712 types. */
export const types = {
  TrainingOrder: [
    { name: 'buyer', type: 'address' },
    /** The training step, as in an `ExactClaim`. */
    { name: 'graph', type: 'bytes32' },
    { name: 'graphCid', type: 'bytes32' },
    /** State root of the first state. */
    { name: 'start', type: 'bytes32' },
    { name: 'data', type: 'bytes32' },
    { name: 'seed0', type: 'uint32' },
    { name: 'seed1', type: 'uint32' },
    { name: 'rounds', type: 'uint32' },
    /** Inner steps of a round for a worker of ordinary speed. */
    { name: 'steps', type: 'uint32' },
    /** One of `rules`. */
    { name: 'rule', type: 'string' },
    /** Entries of a block of 4,096 that are sent at first and at last. */
    { name: 'keptFirst', type: 'uint32' },
    { name: 'keptLast', type: 'uint32' },
    /** The outer learning rate, millionths. */
    { name: 'outerRateMicro', type: 'uint32' },
    { name: 'minWorkers', type: 'uint32' },
    { name: 'maxWorkers', type: 'uint32' },
    /** The longest a round may take. */
    { name: 'roundMs', type: 'uint32' },
    /** Share of contributions that are re-executed, millionths. */
    { name: 'auditMicro', type: 'uint32' },
    /** For an accepted inner step. */
    { name: 'priceMicroUsd', type: 'uint96' },
    { name: 'budgetMicroUsd', type: 'uint96' },
    { name: 'tier', type: 'string' },
    { name: 'deadlineSeconds', type: 'uint40' },
    { name: 'nonce', type: 'uint64' },
  ],
} as const

export const { schema, hash, sign, serialize, deserialize, verify } = define({
  types,
  name: 'TrainingOrder',
  signer: 'buyer',
})
