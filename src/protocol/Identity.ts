import { base58 } from '@scure/base'
import { BaseError } from '../runtime/Errors.ts'
import { secp256k1 } from '../runtime/secp256k1.ts'
import * as Hex from './Hex.ts'
import { keccak256 } from '../runtime/keccak256.ts'

/**
 * One secp256k1 key is a party's account on the chain and its name in the network, so that a message
 * from a peer needs no further proof of who pays or is paid.
 */
export type Identity = {
  readonly address: Hex.Address
  /** The libp2p peer id: base58 of the identity multihash of the public key. */
  readonly peerId: string
  /** 32 bytes. Never logged, never serialised. */
  readonly privateKey: Uint8Array
}

/**
 * Makes an identity of a private key.
 *
 * @throws {InvalidKeyError} when the key is not 32 bytes or not in the curve's range.
 */
export function from(privateKey: Uint8Array): Identity {
  const publicKey = publicKeyOf(privateKey)
  return {
    address: addressOfPublicKey(publicKey),
    peerId: peerIdOfPublicKey(publicKey),
    privateKey,
  }
}

/**
 * The account of the party that has this peer id.
 *
 * @throws {InvalidPeerIdError} when the peer id does not hold a secp256k1 key.
 */
export function addressOf(peerId: string): Hex.Address {
  try {
    const bytes = base58.decode(peerId.slice(0, 128))
    if (bytes.length !== prefix.length + 33 || prefix.some((byte, i) => bytes[i] !== byte))
      throw new InvalidPeerIdError({ peerId })
    return addressOfPublicKey(secp256k1.decompress(bytes.slice(prefix.length)))
  } catch (cause) {
    throw cause instanceof InvalidPeerIdError ? cause : new InvalidPeerIdError({ peerId, cause })
  }
}

/** The account of an uncompressed public key: the last 20 bytes of its keccak-256. */
export function addressOfPublicKey(publicKey: Uint8Array): Hex.Address {
  return Hex.from(keccak256(publicKey.subarray(1)).subarray(12))
}

/** Identity multihash (0x00, length 37) of the protobuf {type: secp256k1, data: 33 bytes} (libp2p peer-id spec). */
const prefix = Uint8Array.of(0x00, 0x25, 0x08, 0x02, 0x12, 0x21)

function peerIdOfPublicKey(publicKey: Uint8Array): string {
  const compressed = Uint8Array.of(2 + (publicKey[64]! & 1), ...publicKey.subarray(1, 33))
  return base58.encode(Uint8Array.of(...prefix, ...compressed))
}

function publicKeyOf(privateKey: Uint8Array): Uint8Array {
  try {
    return secp256k1.publicKey(privateKey)
  } catch (cause) {
    throw new InvalidKeyError({ cause })
  }
}

/** Thrown when bytes are not a private key. The bytes are not repeated. */
export class InvalidKeyError extends BaseError {
  override readonly code = 'Identity.InvalidKeyError'

  constructor({ cause }: { cause: unknown }) {
    super('The private key is not valid.', {
      cause,
      metaMessages: ['Expected: 32 bytes, as 64 hexadecimal digits, as `weft keys create` makes.'],
    })
  }
}

/** Thrown when a peer id is not one of this network. */
export class InvalidPeerIdError extends BaseError {
  override readonly code = 'Identity.InvalidPeerIdError'

  constructor({ peerId, cause }: { peerId: string; cause?: unknown }) {
    super('The peer id does not hold a secp256k1 key.', {
      cause,
      metaMessages: [`Peer id: ${peerId.slice(0, 128)}`],
    })
  }
}
