import { define, type MessageOf } from './SignedMessage.ts'

/** A provider's signed, expiring description of what it sells. */
export type Offer = MessageOf<typeof types, 'Offer'>
export type Model = Offer['models'][number]
export type Hardware = Offer['hardware']

/** EIP-712 types. Prices are micro-USD per million tokens, times are milliseconds since the epoch. */
export const types = {
  Offer: [
    { name: 'provider', type: 'address' },
    { name: 'peerId', type: 'string' },
    /** Multiaddrs the provider can be dialled at, relayed ones included. */
    { name: 'addresses', type: 'string[]' },
    /** Base URL of its bulk server, or empty; and the SHA-256 of that server's certificate, or zero. */
    { name: 'bulkUrl', type: 'string' },
    { name: 'bulkCertificate', type: 'bytes32' },
    { name: 'models', type: 'Model[]' },
    { name: 'hardware', type: 'Hardware' },
    { name: 'region', type: 'string' },
    { name: 'concurrency', type: 'uint16' },
    { name: 'watts', type: 'uint32' },
    { name: 'issuedAt', type: 'uint48' },
    { name: 'expiresAt', type: 'uint48' },
  ],
  Model: [
    { name: 'id', type: 'string' },
    /** SHA-256 of the weights file; zero when the provider cannot know it (a hosted upstream). */
    { name: 'weights', type: 'bytes32' },
    { name: 'quantisation', type: 'string' },
    /** Runtime and build, e.g. `llama.cpp b6000 cpu`: equal engines give equal tokens. */
    { name: 'engine', type: 'string' },
    { name: 'contextTokens', type: 'uint32' },
    { name: 'tiers', type: 'string[]' },
    { name: 'inputMicroUsdPerMillion', type: 'uint64' },
    { name: 'outputMicroUsdPerMillion', type: 'uint64' },
  ],
  Hardware: [
    { name: 'cpu', type: 'string' },
    { name: 'cores', type: 'uint16' },
    { name: 'memoryBytes', type: 'uint64' },
    { name: 'diskBytes', type: 'uint64' },
    { name: 'gpus', type: 'Gpu[]' },
  ],
  Gpu: [
    { name: 'name', type: 'string' },
    { name: 'memoryBytes', type: 'uint64' },
    { name: 'driver', type: 'string' },
  ],
} as const

export const { schema, hash, sign, serialize, deserialize, verify } = define({
  types,
  name: 'Offer',
  signer: 'provider',
})
