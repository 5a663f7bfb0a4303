import { define, type MessageOf } from './SignedMessage.ts'

/** A validator's signed finding on a receipt. */
export type Verdict = MessageOf<typeof types, 'Verdict'>

/** `unavailable`: the provider did not hand out what is needed to check. */
export const outcomes = ['valid', 'invalid', 'unavailable'] as const
export type Outcome = (typeof outcomes)[number]

/** EIP-712 types. */
export const types = {
  Verdict: [
    /** Hash of the receipt. */
    { name: 'receipt', type: 'bytes32' },
    { name: 'job', type: 'bytes32' },
    { name: 'provider', type: 'address' },
    { name: 'validator', type: 'address' },
    /** How it was checked, e.g. `rerun`. */
    { name: 'method', type: 'string' },
    /** One of `outcomes`. */
    { name: 'outcome', type: 'string' },
    /** Stable reason code, e.g. `Rerun.OutputDiffers`. */
    { name: 'reason', type: 'string' },
    /** Hash of the output the validator got, or zero. */
    { name: 'output', type: 'bytes32' },
    { name: 'checkedAt', type: 'uint48' },
  ],
} as const

export const { schema, hash, sign, serialize, deserialize, verify } = define({
  types,
  name: 'Verdict',
  signer: 'validator',
})
