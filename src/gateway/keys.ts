import * as z from 'zod/mini'
import * as Hex from '../protocol/Hex.ts'
import * as Json from '../protocol/Json.ts'
import type { Clock } from '../runtime/Clock.ts'
import { BaseError } from '../runtime/Errors.ts'
import type { Random } from '../runtime/Random.ts'
import type { Store } from '../runtime/Store.ts'

/**
 * An API key as it is kept: its SHA-256, never itself. Keys are 256 random bits, so a plain fast hash
 * is right: there is nothing to guess, and a slow hash would only cost every request.
 */
export type ApiKey = {
  /** First 16 hexadecimal digits of the hash: the name of the key in accounts, logs and commands. */
  readonly id: string
  /** What a person called it. */
  readonly name: string
  /** The first characters of the secret, so that its owner recognises it. */
  readonly prefix: string
  /** The most that may ever be spent with it. */
  readonly capMicroUsd: bigint
  /** Sees the metrics and the buyer's own balance. */
  readonly operator: boolean
  /** Answers being made at once. */
  readonly concurrency: number
  readonly requestsPerMinute: number
  readonly createdAt: number
  readonly expiresAt?: number | undefined
  readonly revokedAt?: number | undefined
}

/**
 * Makes a key. The secret is returned once and kept nowhere.
 *
 * @throws {InvalidKeyOptionsError} when the cap, the limits or the name make no sense.
 */
export async function createKey(
  ports: { store: Store; clock: Clock; random: Random },
  options: createKey.Options,
): Promise<{ readonly secret: string; readonly key: ApiKey }> {
  const { name, capMicroUsd, operator = false, concurrency = 64 } = options
  const { requestsPerMinute = 6000, expiresAt } = options
  if (name.length === 0 || name.length > 128)
    throw new InvalidKeyOptionsError({ reason: 'The name needs 1 to 128 characters.' })
  if (capMicroUsd <= 0n || capMicroUsd >= 1n << 96n)
    throw new InvalidKeyOptionsError({ reason: 'The spend cap must be above zero.' })
  if (!Number.isInteger(concurrency) || concurrency < 1 || requestsPerMinute < 1)
    throw new InvalidKeyOptionsError({ reason: 'The limits must be whole numbers above zero.' })
  const now = ports.clock.now()
  if (expiresAt !== undefined && expiresAt <= now)
    throw new InvalidKeyOptionsError({ reason: 'The expiry lies in the past.' })
  const secret = `${marker}${Buffer.from(ports.random.bytes(32)).toString('base64url')}`
  const hash = hashOf(secret)
  const key: ApiKey = {
    id: idOf(hash),
    name,
    prefix: secret.slice(0, marker.length + 6),
    capMicroUsd,
    operator,
    concurrency,
    requestsPerMinute,
    createdAt: now,
    ...(expiresAt === undefined ? {} : { expiresAt }),
  }
  await ports.store.write([{ table, key: hash, value: Json.stringify(key) }])
  return { secret, key }
}

export declare namespace createKey {
  type Options = {
    name: string
    capMicroUsd: bigint
    /** @default false */
    operator?: boolean | undefined
    /** @default 64 */
    concurrency?: number | undefined
    /** @default 6000 */
    requestsPerMinute?: number | undefined
    /** Milliseconds since the epoch. @default never */
    expiresAt?: number | undefined
  }
}

/** Every key, oldest first; at most 1,000. */
export async function listKeys({ store }: { store: Store }): Promise<readonly ApiKey[]> {
  const entries = await store.list(table)
  return entries.map(({ value }) => parse(value)).toSorted((a, b) => a.createdAt - b.createdAt)
}

/**
 * Revokes a key by its id, at once and for ever. A running gateway on the same store obeys with the
 * next request.
 *
 * @throws {UnknownKeyError} when no key has this id.
 */
export async function revokeKey(
  { store, clock }: { store: Store; clock: Clock },
  id: string,
): Promise<ApiKey> {
  const [entry] = /^[0-9a-f]{16}$/.test(id)
    ? await store.list(table, { prefix: `0x${id}`, limit: 1 })
    : []
  if (!entry) throw new UnknownKeyError({ id })
  const key = parse(entry.value)
  const revoked = { ...key, revokedAt: key.revokedAt ?? clock.now() }
  await store.write([{ table, key: entry.key, value: Json.stringify(revoked) }])
  return revoked
}

/**
 * The key a secret stands for.
 *
 * @throws {InvalidKeyError} when there is none, or it was revoked or has expired.
 */
export async function authorise(
  { store, clock }: { store: Store; clock: Clock },
  secret: string,
): Promise<ApiKey> {
  const value = secretPattern.test(secret) ? await store.get(table, hashOf(secret)) : undefined
  if (value === undefined) throw new InvalidKeyError({ why: 'unknown' })
  const key = parse(value)
  if (key.revokedAt !== undefined) throw new InvalidKeyError({ why: 'revoked' })
  if (key.expiresAt !== undefined && key.expiresAt <= clock.now())
    throw new InvalidKeyError({ why: 'expired' })
  return key
}

const table = 'gateway-keys'
const marker = 'weft-sk-'
const secretPattern = /^weft-sk-[A-Za-z0-9_-]{43}$/

const schema = z.strictObject({
  id: z.string(),
  name: z.string(),
  prefix: z.string(),
  capMicroUsd: z.pipe(
    z.string().check(z.regex(/^\d{1,30}$/)),
    z.transform((digits: string) => BigInt(digits)),
  ),
  operator: z.boolean(),
  concurrency: z.int(),
  requestsPerMinute: z.int(),
  createdAt: z.int(),
  expiresAt: z.optional(z.int()),
  revokedAt: z.optional(z.int()),
})

function parse(value: string): ApiKey {
  return Json.parse(schema, JSON.parse(value), { what: 'stored API key' })
}

function hashOf(secret: string): Hex.Hex {
  return Hex.sha256(secret)
}

function idOf(hash: Hex.Hex): string {
  return hash.slice(2, 18)
}

/** Thrown when a request brings a key that does not open anything. The key is not repeated. */
export class InvalidKeyError extends BaseError {
  override readonly code = 'Gateway.InvalidKeyError'
  readonly why: 'unknown' | 'revoked' | 'expired'

  constructor({ why }: { why: 'unknown' | 'revoked' | 'expired' }) {
    const state = { unknown: 'is not known here', revoked: 'was revoked', expired: 'has expired' }
    super(`The API key ${state[why]}.`, {
      metaMessages: ['Fix: make one with `weft keys create`.'],
    })
    this.why = why
  }
}

/** Thrown when a key is to be revoked that does not exist. */
export class UnknownKeyError extends BaseError {
  override readonly code = 'Gateway.UnknownKeyError'

  constructor({ id }: { id: string }) {
    super('No API key has this id.', {
      metaMessages: [`Id: ${id.slice(0, 64)}`, 'Fix: `weft keys list` shows the ids.'],
    })
  }
}

/** Thrown when a key cannot be made as asked. */
export class InvalidKeyOptionsError extends BaseError {
  override readonly code = 'Gateway.InvalidKeyOptionsError'

  constructor({ reason }: { reason: string }) {
    super('The API key cannot be made like this.', { metaMessages: [reason] })
  }
}
