import * as z from 'zod/mini'
import type * as Domain from '../Domain.ts'
import * as Hex from '../Hex.ts'
import type { Identity } from '../Identity.ts'
import * as Json from '../Json.ts'
import { define, type MessageOf } from '../SignedMessage.ts'
import { keccak256 } from '../../runtime/keccak256.ts'
import * as Entry from './Entry.ts'

/** A piece of the log of a run: entries in order, and the time, as its coordinator puts them. */
export type Batch = {
  readonly head: ReturnType<typeof definition.sign>
  readonly entries: readonly Entry.Entry[]
}

/** What the coordinator signs. */
export type Head = MessageOf<typeof types, 'BatchHead'>

/** EIP-712 types. */
export const types = {
  BatchHead: [
    { name: 'run', type: 'bytes32' },
    { name: 'coordinator', type: 'address' },
    { name: 'term', type: 'uint32' },
    { name: 'sequence', type: 'uint32' },
    /** Hash of the batch before; the run's id before the first. */
    { name: 'previous', type: 'bytes32' },
    /** Milliseconds, never less than in the batch before. */
    { name: 'now', type: 'uint48' },
    /** keccak256 of the digests of the entries, one after the other. */
    { name: 'entries', type: 'bytes32' },
  ],
} as const

/** The most entries of a batch. */
export const limit = 256

const definition = define({ types, name: 'BatchHead', signer: 'coordinator' })

export const schema = z.strictObject({
  head: definition.schema,
  entries: z.array(Entry.schema).check(z.maxLength(limit)),
})

/** The batch's id: the digest of its head, which names its entries. */
export function hash(domain: Domain.Domain, { head }: Batch): Hex.Hex {
  return definition.hash(domain, head.message)
}

/** Signs a batch of entries. */
export function sign(
  domain: Domain.Domain,
  { head, entries }: { head: Omit<Head, 'entries' | 'coordinator'>; entries: Batch['entries'] },
  signer: Identity,
): Batch {
  const named = { ...head, coordinator: signer.address, entries: hashEntries(domain, entries) }
  return { head: definition.sign(domain, named, signer), entries }
}

/**
 * Checks that the coordinator signed just these entries; what the entries themselves are worth is
 * decided when they are folded.
 *
 * @throws {SignatureError} when it did not.
 */
export function verify(domain: Domain.Domain, { head, entries }: Batch): boolean {
  return definition.verify(domain, head).entries === hashEntries(domain, entries)
}

/** As it travels. */
export function serialize(batch: Batch): Uint8Array {
  return Json.toBytes(batch)
}

/** @throws {Json.MalformedError} when the bytes are not a batch. */
export function deserialize(bytes: Uint8Array): Batch {
  return Json.decode(schema, bytes, { what: 'training batch' })
}

function hashEntries(domain: Domain.Domain, entries: Batch['entries']): Hex.Hex {
  const bytes = new Uint8Array(entries.length * 32)
  entries.forEach((entry, at) => bytes.set(Hex.toBytes(Entry.hash(domain, entry)), at * 32))
  return Hex.from(keccak256(bytes))
}
