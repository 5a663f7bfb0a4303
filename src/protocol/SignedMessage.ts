import * as z from 'zod/mini'
import { BaseError } from '../runtime/Errors.ts'
import * as Domain from './Domain.ts'
import * as Hex from './Hex.ts'
import type { Identity } from './Identity.ts'
import * as Json from './Json.ts'
import * as Signature from './Signature.ts'
import { compileHash, schemaOf, type Types } from './internal/typedData.ts'
import { keccak256 } from '../runtime/keccak256.ts'

/** A message and its signature, as it travels. */
export type Signed<message> = { readonly message: message; readonly signature: Hex.Hex }

/** What `defineStruct` makes of a message's EIP-712 types. */
export type StructDefinition<message> = {
  /** Parses the wire form; integers of more than 48 bits are decimal strings there. */
  readonly schema: z.ZodMiniType<Signed<message>>
  /** The EIP-712 digest: what is signed, and the message's id everywhere. */
  readonly hash: (domain: Domain.Domain, message: message) => Hex.Hex
  readonly sign: (domain: Domain.Domain, message: message, signer: Identity) => Signed<message>
  readonly serialize: (signed: Signed<message>) => Uint8Array
  /** @throws {Json.MalformedError} when the bytes are not such a message. */
  readonly deserialize: (bytes: Uint8Array) => Signed<message>
  /**
   * Returns the message when `signer` signed it.
   *
   * @throws {SignatureError} when it did not.
   */
  readonly verifyBy: (
    domain: Domain.Domain,
    signed: Signed<message>,
    signer: Hex.Address,
  ) => message
}

/** What `define` makes: a struct that names its signer in one of its fields. */
export type Definition<message> = StructDefinition<message> & {
  /**
   * Returns the message when its signature is that of the account it names.
   *
   * @throws {SignatureError} when it is not.
   */
  readonly verify: (domain: Domain.Domain, signed: Signed<message>) => message
}

/** The TypeScript type of a struct among EIP-712 types: integers up to 48 bits are numbers, larger ones bigints. */
export type MessageOf<types extends Types, name extends keyof types & string> = {
  readonly [field in types[name][number] as field['name']]: ValueOf<types, field['type']>
}

type ValueOf<types extends Types, type extends string> = type extends `${infer item}[]`
  ? readonly ValueOf<types, item>[]
  : type extends keyof types & string
    ? MessageOf<types, type>
    : type extends 'address' | 'bytes32'
      ? Hex.Hex
      : type extends 'string'
        ? string
        : type extends 'bool'
          ? boolean
          : type extends `uint${8 | 16 | 24 | 32 | 40 | 48}`
            ? number
            : bigint

/**
 * Defines a signed message from its EIP-712 types (https://eips.ethereum.org/EIPS/eip-712).
 *
 * @param options.signer The field that holds the address of who signs.
 */
export function define<
  const types extends Types,
  const name extends keyof types & string,
>(options: {
  types: types
  name: name
  signer: keyof MessageOf<types, name> & string
}): Definition<MessageOf<types, name>> {
  const { signer } = options
  const struct = defineStruct<types, name>(options)
  return {
    ...struct,
    verify(domain, signed) {
      const record = signed.message as Readonly<Record<string, unknown>>
      return struct.verifyBy(domain, signed, record[signer] as Hex.Address)
    },
  }
}

/** Defines a signed message whose signer is known from elsewhere. */
export function defineStruct<
  const types extends Types,
  const name extends keyof types & string,
>(options: { types: types; name: name }): StructDefinition<MessageOf<types, name>> {
  type message = MessageOf<types, name>
  const { types, name } = options
  const hashStruct = compileHash(types, name)
  const schema = z.strictObject({
    message: schemaOf(types, name),
    signature: z.string().check(z.regex(/^0x[0-9a-f]{130}$/)),
  }) as unknown as z.ZodMiniType<Signed<message>>

  // Who checks or signs a message asks for its id too, mostly in the same breath.
  let last: { domain: Domain.Domain; message: message; digest: Hex.Hex } | undefined
  const hash = (domain: Domain.Domain, message: message): Hex.Hex => {
    if (last?.message !== message || last.domain !== domain)
      last = { domain, message, digest: digestOf(domain, message) }
    return last.digest
  }
  const digestOf = (domain: Domain.Domain, message: message): Hex.Hex => {
    const bytes = new Uint8Array(66)
    bytes.set([0x19, 0x01])
    bytes.set(Domain.separator(domain), 2)
    bytes.set(hashStruct(message), 34)
    return Hex.from(keccak256(bytes))
  }

  return {
    schema,
    hash,
    sign: (domain, message, signer) => ({
      message,
      signature: Signature.sign(hash(domain, message), signer),
    }),
    serialize: (signed) => Json.toBytes(signed),
    deserialize: (bytes) => Json.decode(schema, bytes, { what: name }),
    verifyBy(domain, { message, signature }, signer) {
      if (!Signature.verify(hash(domain, message), signature, signer))
        throw new SignatureError({ what: name, signer })
      return message
    },
  }
}

/** Thrown when a message is not signed by the account it names. */
export class SignatureError extends BaseError {
  override readonly code = 'Protocol.SignatureError'

  constructor({ what, signer }: { what: string; signer: Hex.Address }) {
    super(`The ${what} is not signed by the account it names, or not for this network.`, {
      metaMessages: [
        `Account: ${signer}`,
        'Fix: check that both sides use the same network file (chain id and vault).',
      ],
    })
  }
}
