import * as z from 'zod/mini'
import * as Hex from '../Hex.ts'
import { keccak256 } from '../../runtime/keccak256.ts'

/** EIP-712 struct definitions by name. The first field lists of a message are its only definition: schema, type and hash come from it. */
export type Types = Readonly<Record<string, readonly Field[]>>
export type Field = { readonly name: string; readonly type: string }

/** Texts and lists from outside are never longer than this. */
export const limits = { textLength: 1024, listLength: 64 } as const

/**
 * The zod schema of a struct on the wire: integers of more than 48 bits are decimal strings,
 * everything else is itself.
 */
export function schemaOf(types: Types, name: string): z.ZodMiniType {
  const fields = types[name]
  if (!fields) throw new RangeError(`No EIP-712 struct is named ${name}.`)
  return z.strictObject(
    Object.fromEntries(fields.map((field) => [field.name, schemaOfType(types, field.type)])),
  )
}

function schemaOfType(types: Types, type: string): z.ZodMiniType {
  if (type.endsWith('[]'))
    return z.array(schemaOfType(types, type.slice(0, -2))).check(z.maxLength(limits.listLength))
  if (type === 'address') return z.string().check(z.regex(/^0x[0-9a-f]{40}$/))
  if (type === 'bytes32') return z.string().check(z.regex(/^0x[0-9a-f]{64}$/))
  if (type === 'string') return z.string().check(z.maxLength(limits.textLength))
  if (type === 'bool') return z.boolean()
  const bits = bitsOf(type)
  if (bits === undefined) return schemaOf(types, type)
  if (bits <= 48) return z.int().check(z.minimum(0), z.maximum(2 ** bits - 1))
  return z.pipe(
    z.string().check(z.regex(/^(0|[1-9][0-9]{0,77})$/)),
    z.transform((text, context) => {
      const value = BigInt(text)
      if (value < 1n << BigInt(bits)) return value
      context.issues.push({ code: 'custom', message: `More than ${bits} bits.`, input: text })
      return z.NEVER
    }),
  )
}

/** Compiles the function that hashes a struct (EIP-712 `hashStruct`). */
export function compileHash(types: Types, name: string): (value: unknown) => Uint8Array {
  const fields = types[name]
  if (!fields) throw new RangeError(`No EIP-712 struct is named ${name}.`)
  const typeHash = keccak256(new TextEncoder().encode(encodeType(types, name)))
  const writers = fields.map((field) => [field.name, compileWriter(types, field.type)] as const)
  return (value) => {
    const encoded = new Uint8Array(32 * (writers.length + 1))
    encoded.set(typeHash)
    const record = value as Readonly<Record<string, unknown>>
    let at = 32
    for (const [field, write] of writers) {
      write(encoded, at, record[field])
      at += 32
    }
    return keccak256(encoded)
  }
}

/** EIP-712 `encodeType`: the struct, then the structs it refers to in order of name. */
export function encodeType(types: Types, name: string): string {
  const seen = new Set<string>()
  const visit = (struct: string) => {
    if (seen.has(struct) || !types[struct]) return
    seen.add(struct)
    for (const field of types[struct]) visit(field.type.replace('[]', ''))
  }
  visit(name)
  seen.delete(name)
  return [name, ...[...seen].toSorted()]
    .map((struct) => {
      const fields = types[struct]!.map((field) => `${field.type} ${field.name}`)
      return `${struct}(${fields.join(',')})`
    })
    .join('')
}

/** Writes a value into the word that begins at `at`; the word is zero before. */
type Writer = (encoded: Uint8Array, at: number, value: unknown) => void

function compileWriter(types: Types, type: string): Writer {
  if (type.endsWith('[]')) {
    const write = compileWriter(types, type.slice(0, -2))
    return (encoded, at, value) => {
      const items = value as readonly unknown[]
      const list = new Uint8Array(32 * items.length)
      items.forEach((item, index) => write(list, 32 * index, item))
      encoded.set(keccak256(list), at)
    }
  }
  if (type === 'address')
    return (encoded, at, value) => Hex.write(value as Hex.Hex, encoded, at + 12)
  if (type === 'bytes32') return (encoded, at, value) => Hex.write(value as Hex.Hex, encoded, at)
  if (type === 'string') return (encoded, at, value) => encoded.set(hashText(value as string), at)
  if (type === 'bool')
    return (encoded, at, value) => void (encoded[at + 31] = value === true ? 1 : 0)
  if (bitsOf(type) !== undefined) return writeInteger
  const hash = compileHash(types, type)
  return (encoded, at, value) => encoded.set(hash(value), at)
}

function writeInteger(encoded: Uint8Array, at: number, value: unknown): void {
  if (Number.isSafeInteger(value) && (value as number) >= 0) {
    for (let i = at + 31, rest = value as number; rest > 0; i--) {
      encoded[i] = rest % 256
      rest = Math.floor(rest / 256)
    }
    return
  }
  let end = at + 24
  const view = new DataView(encoded.buffer, encoded.byteOffset)
  for (let rest = BigInt(value as number | bigint); rest > 0n; rest >>= 64n) {
    view.setBigUint64(end, rest & lowBits)
    end -= 8
  }
}

const lowBits = (1n << 64n) - 1n

/** The same few words (tiers, codes, models) stand in almost every message. */
const textHashes = new Map<string, Uint8Array>()
const textHashesLimit = 1_000
const textHashesLength = 64

function hashText(text: string): Uint8Array {
  const known = textHashes.get(text)
  if (known) return known
  const hash = keccak256(new TextEncoder().encode(text))
  if (text.length > textHashesLength) return hash
  if (textHashes.size >= textHashesLimit) textHashes.clear()
  textHashes.set(text, hash)
  return hash
}

function bitsOf(type: string): number | undefined {
  const match = /^uint(\d+)$/.exec(type)
  return match ? Number(match[1]) : undefined
}
