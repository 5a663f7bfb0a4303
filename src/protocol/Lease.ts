import * as Hex from './Hex.ts'
import { define, type MessageOf } from './SignedMessage.ts'

/**
 * The buyer's signed agreement to a bid, which reserves funds when the provider brings it to the
 * `Vault` contract. A later one with the same nonce may only raise the total or the expiry.
 */
export type Lease = MessageOf<typeof types, 'Lease'>

/** What names a lease. */
export type Key = Pick<Lease, 'buyer' | 'provider' | 'nonce'>

/** EIP-712 types, the same as in `Vault.sol`. Times are seconds, as the chain counts them. */
export const types = {
  Lease: [
    { name: 'buyer', type: 'address' },
    { name: 'provider', type: 'address' },
    { name: 'nonce', type: 'uint64' },
    /** The most that may ever be claimed in this lease. */
    { name: 'totalMicroUsd', type: 'uint96' },
    /** From then on nothing can be claimed and the rest returns to the buyer. */
    { name: 'expirySeconds', type: 'uint40' },
    /** Until when the contract accepts this signature. */
    { name: 'deadlineSeconds', type: 'uint40' },
    /** Hash of the bid that was accepted. */
    { name: 'terms', type: 'bytes32' },
  ],
} as const

export const { schema, hash, sign, serialize, deserialize, verify } = define({
  types,
  name: 'Lease',
  signer: 'buyer',
})

/** The lease's id: keccak-256 of buyer (20 bytes), provider (20 bytes) and nonce (8 bytes, big-endian). */
export function id({ buyer, provider, nonce }: Key): Hex.Hex {
  const packed = new Uint8Array(48)
  packed.set(Hex.toBytes(buyer), 0)
  packed.set(Hex.toBytes(provider), 20)
  new DataView(packed.buffer).setBigUint64(40, nonce)
  return Hex.keccak256(packed)
}
