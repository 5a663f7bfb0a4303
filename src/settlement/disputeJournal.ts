import * as z from 'zod/mini'
import { parties, type Party } from '../protocol/dispute/Position.ts'
import type { DisputeKey } from '../protocol/dispute/DisputeKey.ts'
import * as ExactClaim from '../protocol/ExactClaim.ts'
import type * as Hex from '../protocol/Hex.ts'
import * as Json from '../protocol/Json.ts'
import type { Signed } from '../protocol/SignedMessage.ts'
import type { Store, Write } from '../runtime/Store.ts'

/**
 * What a keeper of disputes must not forget: how far it has read the chain, which disputes are ours, and which
 * claims it was told to challenge. Everything else is on the chain.
 *
 * | table | key | value |
 * |---|---|---|
 * | `disputes-cursor` | `block` | the last block that was read |
 * | `disputes-ours` | dispute id | who, since which block, and whether it is done |
 * | `disputes-wanted` | claim id | the signed claim |
 */
export type DisputeJournal = {
  cursor(): Promise<bigint | undefined>
  ours(): Promise<readonly Ours[]>
  wanted(): Promise<readonly Signed<ExactClaim.ExactClaim>[]>
  write(writes: readonly Write[]): Promise<void>
}

/** A dispute of ours. */
export type Ours = {
  readonly id: Hex.Hex
  readonly key: DisputeKey
  readonly role: Party
  /** Where it began. */
  readonly block: bigint
  /** Whether it has been played off the chain as far as it goes. */
  readonly played: boolean
  readonly done: boolean
}

const hex = (digits: number) =>
  z
    .string()
    .check(z.regex(new RegExp(`^0x[0-9a-f]{${digits}}$`))) as unknown as z.ZodMiniType<Hex.Hex>
const block = z.string().check(z.regex(/^\d{1,20}$/))
const ours = z.strictObject({
  key: z.strictObject({ claim: hex(64), challenger: hex(40) }),
  role: z.enum(parties),
  block,
  played: z.boolean(),
  done: z.boolean(),
})

/** Opens the journal in a store. */
export function openDisputeJournal(store: Store): DisputeJournal {
  return {
    async cursor() {
      const text = await store.get('disputes-cursor', 'block')
      return text === undefined ? undefined : BigInt(Json.parse(block, text, what))
    },
    async ours() {
      const entries = await all(store, 'disputes-ours')
      return entries.map(({ key: id, value }) => {
        const row = Json.parse(ours, JSON.parse(value), what)
        return { ...row, id: id as Hex.Hex, block: BigInt(row.block) }
      })
    },
    async wanted() {
      const entries = await all(store, 'disputes-wanted')
      return entries.map(({ value }) => Json.parse(ExactClaim.schema, JSON.parse(value), what))
    },
    write: (writes) => store.write(writes),
  }
}

const what = { what: 'journal of disputes' }

/** Writes that note a dispute. */
export function noteOurs({ id, block: at, ...row }: Ours): Write {
  const value = JSON.stringify({ ...row, block: at.toString() })
  return { table: 'disputes-ours', key: id, value }
}

/** Writes that forget one. */
export function dropOurs(id: Hex.Hex): Write {
  return { table: 'disputes-ours', key: id, value: undefined }
}

export function noteCursor(at: bigint): Write {
  return { table: 'disputes-cursor', key: 'block', value: at.toString() }
}

export function noteWanted(id: Hex.Hex, claim: Signed<ExactClaim.ExactClaim>): Write {
  return { table: 'disputes-wanted', key: id, value: Json.stringify(claim) }
}

export function dropWanted(id: Hex.Hex): Write {
  return { table: 'disputes-wanted', key: id, value: undefined }
}

async function all(store: Store, table: string) {
  const found: { key: string; value: string }[] = []
  for (let after: string | undefined; found.length < rowsLimit;) {
    const page = await store.list(table, { after, limit: pageLimit })
    found.push(...page)
    if (page.length < pageLimit) break
    after = page.at(-1)!.key
  }
  return found
}

const pageLimit = 1000
/** More disputes than this at once nobody can afford. */
const rowsLimit = 100_000
