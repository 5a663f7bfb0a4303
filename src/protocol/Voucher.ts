import { defineStruct, type MessageOf } from './SignedMessage.ts'

/** The buyer's promise to pay up to a cumulative amount in a lease; a later, higher one replaces it. */
export type Voucher = MessageOf<typeof types, 'Voucher'>

/** EIP-712 types, the same as in `Vault.sol`. Who must sign follows from the lease: its buyer. */
export const types = {
  Voucher: [
    { name: 'lease', type: 'bytes32' },
    { name: 'cumulativeMicroUsd', type: 'uint96' },
  ],
} as const

export const { schema, hash, sign, serialize, deserialize, verifyBy } = defineStruct({
  types,
  name: 'Voucher',
})
