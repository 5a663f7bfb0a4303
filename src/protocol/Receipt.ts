import { define, type MessageOf } from './SignedMessage.ts'

/** The provider's signed statement about a delivered job: what was asked, what was answered, how, when and for how much. */
export type Receipt = MessageOf<typeof types, 'Receipt'>

/** EIP-712 types. Its hash is the receipt's id. Times are milliseconds since the epoch. */
export const types = {
  Receipt: [
    /** Hash of the signed `Job`. */
    { name: 'job', type: 'bytes32' },
    { name: 'lease', type: 'bytes32' },
    { name: 'provider', type: 'address' },
    { name: 'buyer', type: 'address' },
    /** `Completion.hashRequest` and `Completion.hashOutput`. */
    { name: 'request', type: 'bytes32' },
    { name: 'output', type: 'bytes32' },
    { name: 'model', type: 'string' },
    { name: 'weights', type: 'bytes32' },
    { name: 'quantisation', type: 'string' },
    { name: 'engine', type: 'string' },
    { name: 'tier', type: 'string' },
    { name: 'seed', type: 'uint32' },
    { name: 'temperatureMicro', type: 'uint32' },
    { name: 'topPMicro', type: 'uint32' },
    { name: 'maxTokens', type: 'uint32' },
    { name: 'inputTokens', type: 'uint32' },
    { name: 'outputTokens', type: 'uint32' },
    /** Zero for a probe: the meter of the lease had not started. */
    { name: 'priceMicroUsd', type: 'uint96' },
    /** When the lease became ready; zero before that. */
    { name: 'readyAt', type: 'uint48' },
    { name: 'startedAt', type: 'uint48' },
    { name: 'endedAt', type: 'uint48' },
  ],
} as const

export const { schema, hash, sign, serialize, deserialize, verify } = define({
  types,
  name: 'Receipt',
  signer: 'provider',
})
