import type * as Completion from './Completion.ts'
import { define, type MessageOf } from './SignedMessage.ts'

/**
 * A worker's signed statement about exact work, for which it answers with a bond: this graph, from this
 * state, on this data and seed, gives this run. Whoever computed something else can have the chain decide
 * (`docs/disputes.md`).
 */
export type ExactClaim = MessageOf<typeof types, 'ExactClaim'>

/** EIP-712 types. Its hash is the claim's id. Roots are those of `src/exact/SPEC.md` section 5. */
export const types = {
  ExactClaim: [
    { name: 'claimant', type: 'address' },
    /** Hash of the signed job that it is for; zero for none. */
    { name: 'job', type: 'bytes32' },
    /** Root of the graph, and the sha2-256 digest within its CID. */
    { name: 'graph', type: 'bytes32' },
    { name: 'graphCid', type: 'bytes32' },
    /** State roots before the first step and after the last. */
    { name: 'start', type: 'bytes32' },
    { name: 'end', type: 'bytes32' },
    /** Data root; zero when the graph has no batch slot. */
    { name: 'data', type: 'bytes32' },
    /** The seed of data order, and whose data order. */
    { name: 'seed0', type: 'uint32' },
    { name: 'seed1', type: 'uint32' },
    { name: 'worker', type: 'uint32' },
    /** At least 1. */
    { name: 'steps', type: 'uint32' },
    /** Root over the state roots that the steps leave. */
    { name: 'run', type: 'bytes32' },
    /** Micro-USD. */
    { name: 'bond', type: 'uint96' },
    /** Seconds since the epoch: the last moment of a challenge. */
    { name: 'challengeUntil', type: 'uint40' },
  ],
} as const

export const { schema, hash, sign, serialize, deserialize, verify } = define({
  types,
  name: 'ExactClaim',
  signer: 'claimant',
})

/**
 * How many steps the run of a completion can have: all tokens but the last are read, one a step. The token
 * that ends an answer is made in a step too, and not counted; a stop text ends it without one.
 */
export function stepsOfCompletion(
  { inputTokens, outputTokens }: Completion.Usage,
  finishReason: Completion.FinishReason,
): { readonly least: number; readonly most: number } {
  const most = inputTokens + outputTokens - (finishReason === 'stop' ? 0 : 1)
  return { least: inputTokens + outputTokens - 1, most }
}
