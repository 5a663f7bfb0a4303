import * as z from 'zod/mini'
import { BaseError } from '../runtime/Errors.ts'
import * as Hex from './Hex.ts'

/** Messages from outside are never larger than this many bytes. */
export const limitBytes = 4 * 1024 * 1024

/** Encodes a value: keys in the order of the object, bigints as decimal strings. */
export function stringify(value: unknown): string {
  return JSON.stringify(withoutBigints(value))
}

/** The value itself where it holds no bigint, else a copy; a replacer would cost three times as much. */
function withoutBigints(value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString()
  if (typeof value !== 'object' || value === null) return value
  if ('toJSON' in value && typeof value.toJSON === 'function')
    return withoutBigints((value.toJSON as () => unknown)())
  if (Array.isArray(value)) {
    const items = value.map(withoutBigints)
    return items.some((item, index) => item !== value[index]) ? items : value
  }
  let copy: Record<string, unknown> | undefined
  for (const [key, item] of Object.entries(value)) {
    const plain = withoutBigints(item)
    if (plain === item) continue
    copy ??= { ...value }
    copy[key] = plain
  }
  return copy ?? value
}

/** Encodes a value as UTF-8 bytes. */
export function toBytes(value: unknown): Uint8Array {
  return new TextEncoder().encode(stringify(value))
}

/**
 * Decodes UTF-8 bytes to a value that nothing is known about yet.
 *
 * @throws {MalformedError} when they are too many or not JSON.
 */
export function fromBytes(bytes: Uint8Array, options: { what: string }): unknown {
  const { what } = options
  if (bytes.byteLength > limitBytes)
    throw new MalformedError({ what, reason: `${bytes.byteLength} bytes, over ${limitBytes}` })
  try {
    return JSON.parse(decoder.decode(bytes))
  } catch {
    throw new MalformedError({ what, reason: 'not JSON' })
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true })

/**
 * Parses a value from outside.
 *
 * @param options.what The word for it in the error.
 * @throws {MalformedError} when it does not fit the schema; the error says where.
 */
export function parse<type>(
  schema: z.ZodMiniType<type>,
  value: unknown,
  options: { what: string },
): type {
  const result = z.safeParse(schema, value)
  if (result.success) return result.data
  const [issue] = result.error.issues
  const reason = issue ? `${issue.path.join('.') || 'message'}: ${issue.message}` : 'unknown'
  throw new MalformedError({ what: options.what, reason })
}

/**
 * Decodes and parses bytes from outside.
 *
 * @throws {MalformedError} when they are not such a value.
 */
export function decode<type>(
  schema: z.ZodMiniType<type>,
  bytes: Uint8Array,
  options: { what: string },
): type {
  return parse(schema, fromBytes(bytes, options), options)
}

/** SHA-256 of a value's canonical form: JSON with keys sorted, no spaces (RFC 8785 for the values we use). */
export function hash(value: unknown): Hex.Hex {
  return Hex.sha256(canonical(value))
}

/** JSON with keys sorted at every depth. */
export function canonical(value: unknown): string {
  return stringify(sorted(value))
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, item]) => item !== undefined)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => [key, sorted(item)]),
  )
}

/** Thrown when bytes from outside are not the message they should be. */
export class MalformedError extends BaseError {
  override readonly code = 'Protocol.MalformedError'

  constructor({ what, reason }: { what: string; reason: string }) {
    super(`The bytes are not a valid ${what}.`, { metaMessages: [`Reason: ${reason}`] })
  }
}
