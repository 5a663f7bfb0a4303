import * as z from 'zod/mini'
import * as Bid from '../protocol/Bid.ts'
import * as Completion from '../protocol/Completion.ts'
import * as ExactClaim from '../protocol/ExactClaim.ts'
import * as Exchange from '../protocol/Exchange.ts'
import * as Hex from '../protocol/Hex.ts'
import * as Json from '../protocol/Json.ts'
import * as Lease from '../protocol/Lease.ts'
import * as Order from '../protocol/Order.ts'
import * as Receipt from '../protocol/Receipt.ts'
import * as Voucher from '../protocol/Voucher.ts'
import { messageOf } from '../runtime/Errors.ts'
import type { Logger } from '../runtime/Logger.ts'
import type { Signed } from '../protocol/SignedMessage.ts'
import type { Store, Write, WriteOptions } from '../runtime/Store.ts'

/**
 * What a provider must still know after `kill -9`. The functions that change it return writes, so that
 * what belongs together goes to the store in one batch.
 *
 * | table | key | value |
 * |---|---|---|
 * | `provider-leases` | lease id | the signed lease, bid and order |
 * | `provider-meters` | lease id | meter, highest voucher, what the chain said last |
 * | `provider-receipts` | lease id `/` job hash | receipt, and whether it is paid |
 * | `provider-unpaid` | lease id `/` job hash | nothing, until the receipt is paid or refused |
 * | `provider-evidence` | job hash | job, request, output, receipt and claim; who may read them |
 * | `provider-evidence-age` | time `/` job hash | nothing; to find the oldest |
 * | `provider-claims` | claim id | the claim, and the request that its run follows from |
 * | `provider-claims-age` | end of its window `/` claim id | nothing; to find the oldest |
 * | `provider-settled` | time `/` lease id | nothing; receipts of these leases go after a while |
 * | `provider-debts` | buyer | what settled leases were left unpaid |
 */
export type Journal = {
  /** Leases that are not settled. Rows that cannot be read are logged and left where they are. */
  leases(): Promise<readonly LeaseRow[]>
  receipt(lease: Hex.Hex, job: Hex.Hex): Promise<ReceiptRow | undefined>
  /** Receipts of leases that are not settled, neither paid nor refused. */
  unpaid(): Promise<readonly Signed<Receipt.Receipt>[]>
  evidence(job: Hex.Hex): Promise<EvidenceRow | undefined>
  /** A claim that was signed, by its id. */
  claim(id: Hex.Hex): Promise<ClaimRow | undefined>
  debtMicroUsd(buyer: Hex.Address): Promise<bigint>
  write(writes: readonly Write[], options?: WriteOptions): Promise<void>
  /** Deletes what is older or more than the limits, a bounded number of rows a call. */
  prune(now: number): Promise<void>
}

export type LeaseRow = Deal & Progress & { readonly id: Hex.Hex }

/** What was agreed. */
export type Deal = z.infer<typeof deal>

/** How far the lease has come. */
export type Progress = z.infer<typeof progress>

export type ReceiptRow = z.infer<typeof receiptRow>

export type EvidenceRow = z.infer<typeof evidenceRow>

/** A claim that can be challenged, and all that it takes to compute its run again. */
export type ClaimRow = z.infer<typeof claimRow>

const hash = z
  .string()
  .check(z.regex(/^0x[0-9a-f]{64}$/)) as unknown as z.ZodMiniType<`0x${string}`>
const address = z
  .string()
  .check(z.regex(/^0x[0-9a-f]{40}$/)) as unknown as z.ZodMiniType<`0x${string}`>
const amount = z.pipe(
  z.string().check(z.regex(/^-?[0-9]{1,40}$/)),
  z.transform((text) => BigInt(text)),
)
const natural = z.int().check(z.minimum(0))

const deal = z.object({ lease: Lease.schema, bid: Bid.schema, order: Order.schema })

const progress = z.object({
  meter: z.object({
    state: z.enum(['open', 'ready', 'paused', 'closing', 'settled']),
    since: natural,
    readyAt: natural,
    probes: natural,
    jobs: natural,
    deliveredMicroUsd: amount,
    paidMicroUsd: amount,
    refusedMicroUsd: amount,
    givenMicroUsd: amount,
  }),
  voucher: z.optional(Voucher.schema),
  /** The transaction that opened it; zero when the chain had it before we looked; none before that. */
  transaction: z.optional(hash),
  /** What the chain said last. */
  claimedMicroUsd: amount,
})

const receiptRow = z.object({
  receipt: Receipt.schema,
  state: z.enum(['delivered', 'paid', 'refused']),
  reason: z.optional(Exchange.reason),
})

const evidenceRow = z.object({ evidence: Exchange.evidence, readers: z.array(address) })

const claimRow = z.object({ claim: ExactClaim.schema, request: Completion.request })

const debtRow = z.object({ amountMicroUsd: amount, at: natural })

/** Opens the journal in a store. */
export async function openJournal(
  { store, logger }: { store: Store; logger: Logger },
  options: openJournal.Options = {},
): Promise<Journal> {
  const {
    evidenceLimit = 10_000,
    evidenceAgeMs = 86_400_000,
    settledAgeMs = 7 * 86_400_000,
    claimKeepMs = 86_400_000,
  } = options
  const read = async <row>(schema: z.ZodMiniType<row>, table: string, key: string) => {
    const value = await store.get(table, key)
    return value === undefined ? undefined : decode(schema, value, { logger, table, key })
  }
  let evidenceCount = await count(store, 'provider-evidence-age', evidenceLimit * 2)

  async function write(writes: readonly Write[], options?: WriteOptions): Promise<void> {
    await store.write(writes, options)
    for (const { table, value } of writes)
      if (table === 'provider-evidence') evidenceCount += value === undefined ? -1 : 1
  }

  return {
    write,
    async leases() {
      const rows: LeaseRow[] = []
      for await (const { key, value } of entries(store, 'provider-leases')) {
        const found = decode(deal, value, { logger, table: 'provider-leases', key })
        const state = await read(progress, 'provider-meters', key)
        if (found && state) rows.push({ id: key as Hex.Hex, ...found, ...state })
      }
      return rows
    },
    receipt: (lease, job) => read(receiptRow, 'provider-receipts', `${lease}/${job}`),
    async unpaid() {
      const rows: Signed<Receipt.Receipt>[] = []
      for await (const { key } of entries(store, 'provider-unpaid')) {
        const row = await read(receiptRow, 'provider-receipts', key)
        if (row) rows.push(row.receipt)
      }
      return rows
    },
    evidence: (job) => read(evidenceRow, 'provider-evidence', job),
    claim: (id) => read(claimRow, 'provider-claims', id),
    debtMicroUsd: async (buyer) =>
      (await read(debtRow, 'provider-debts', buyer))?.amountMicroUsd ?? 0n,
    async prune(now) {
      const writes = [
        ...(await oldEvidence(store, {
          before: now - evidenceAgeMs,
          over: evidenceCount - evidenceLimit,
        })),
        ...(await oldClaims(store, { before: now - claimKeepMs })),
        ...(await oldReceipts(store, { before: now - settledAgeMs })),
        ...(await oldDebts(store, { before: now - evidenceAgeMs })),
      ]
      if (writes.length > 0) await write(writes)
    },
  }
}

export declare namespace openJournal {
  type Options = {
    /** Answers kept for validators. @default 10_000 */
    evidenceLimit?: number | undefined
    /** @default a day */
    evidenceAgeMs?: number | undefined
    /** How long receipts outlive their lease. @default a week */
    settledAgeMs?: number | undefined
    /** How long claims outlive their window. @default a day */
    claimKeepMs?: number | undefined
  }
}

/** Writes that add a lease. */
export function addLease({ id, ...row }: LeaseRow): readonly Write[] {
  const { lease, bid, order } = row
  return [put('provider-leases', id, { lease, bid, order }), saveProgress({ id, ...row })]
}

/** The write that keeps how far a lease has come. */
export function saveProgress({ id, ...row }: Progress & { readonly id: Hex.Hex }): Write {
  const { meter, voucher, transaction, claimedMicroUsd } = row
  return put('provider-meters', id, { meter, voucher, transaction, claimedMicroUsd })
}

/** Writes that forget a lease that never came to the chain. */
export function forgetLease(id: Hex.Hex): readonly Write[] {
  return [drop('provider-leases', id), drop('provider-meters', id)]
}

/** Writes that put a lease aside for good; its receipts stay for a while. */
export function settleLease(
  id: Hex.Hex,
  { unpaid, now }: { unpaid: Iterable<Hex.Hex>; now: number },
): readonly Write[] {
  return [
    ...forgetLease(id),
    ...[...unpaid].map((job) => drop('provider-unpaid', `${id}/${job}`)),
    put('provider-settled', `${sortable(now)}/${id}`, null),
  ]
}

/** Writes that keep a delivered job. */
export function addJob(row: EvidenceRow, now: number): readonly Write[] {
  const { receipt } = row.evidence
  const { job } = receipt.message
  return [
    ...saveReceipt({ receipt, state: 'delivered' }),
    put('provider-evidence', job, row),
    put('provider-evidence-age', `${sortable(now)}/${job}`, null),
  ]
}

/** Writes that keep a claim until nobody can dispute it any more. */
export function addClaim(id: Hex.Hex, row: ClaimRow): readonly Write[] {
  const { challengeUntil } = row.claim.message
  return [
    put('provider-claims', id, row),
    put('provider-claims-age', `${sortable(challengeUntil * 1000)}/${id}`, null),
  ]
}

/** Writes that keep a receipt and whether it is paid. */
export function saveReceipt(row: ReceiptRow): readonly Write[] {
  const { lease, job } = row.receipt.message
  const key = `${lease}/${job}`
  const unpaid = row.state === 'delivered'
  return [
    put('provider-receipts', key, row),
    unpaid ? put('provider-unpaid', key, null) : drop('provider-unpaid', key),
  ]
}

/** The write that remembers what a buyer left unpaid. */
export function saveDebt(buyer: Hex.Address, amountMicroUsd: bigint, now: number): Write {
  return put('provider-debts', buyer, { amountMicroUsd, at: now })
}

const put = (table: string, key: string, value: unknown): Write => ({
  table,
  key,
  value: Json.stringify(value),
})
const drop = (table: string, key: string): Write => ({ table, key, value: undefined })
const sortable = (timeMs: number) => timeMs.toString().padStart(15, '0')
const afterTime = (key: string) => key.slice(key.indexOf('/') + 1)

function decode<row>(
  schema: z.ZodMiniType<row>,
  value: string,
  { logger, table, key }: { logger: Logger; table: string; key: string },
): row | undefined {
  try {
    return Json.parse(schema, JSON.parse(value), { what: `row of ${table}` })
  } catch (error) {
    logger.error({ table, key, reason: messageOf(error) }, 'A row of the journal cannot be read.')
    return undefined
  }
}

async function* entries(store: Store, table: string) {
  for (let after: string | undefined; ;) {
    const page = await store.list(table, { after })
    yield* page
    after = page.at(-1)?.key
    if (after === undefined) return
  }
}

async function count(store: Store, table: string, limit: number): Promise<number> {
  let found = 0
  for await (const _ of entries(store, table)) if (++found >= limit) break
  return found
}

const pruneLimit = 1_000

async function oldEvidence(
  store: Store,
  { before, over }: { before: number; over: number },
): Promise<readonly Write[]> {
  const oldest = await store.list('provider-evidence-age', { limit: pruneLimit })
  return oldest
    .filter(({ key }, index) => index < over || key < sortable(before))
    .flatMap(({ key }) => [
      drop('provider-evidence-age', key),
      drop('provider-evidence', afterTime(key)),
    ])
}

async function oldClaims(store: Store, { before }: { before: number }): Promise<readonly Write[]> {
  const oldest = await store.list('provider-claims-age', { limit: pruneLimit })
  return oldest
    .filter(({ key }) => key < sortable(before))
    .flatMap(({ key }) => [
      drop('provider-claims-age', key),
      drop('provider-claims', afterTime(key)),
    ])
}

/** Takes the receipts of one settled lease after another. */
async function oldReceipts(
  store: Store,
  { before }: { before: number },
): Promise<readonly Write[]> {
  const [oldest] = await store.list('provider-settled', { limit: 1 })
  if (!oldest || oldest.key >= sortable(before)) return []
  const lease = afterTime(oldest.key)
  const receipts = await store.list('provider-receipts', { prefix: `${lease}/`, limit: pruneLimit })
  const writes = receipts.map(({ key }) => drop('provider-receipts', key))
  return receipts.length < pruneLimit ? [...writes, drop('provider-settled', oldest.key)] : writes
}

async function oldDebts(store: Store, { before }: { before: number }): Promise<readonly Write[]> {
  const debts = await store.list('provider-debts', { limit: pruneLimit })
  return debts
    .filter(({ value }) => {
      const row = z.safeParse(debtRow, JSON.parse(value))
      return !row.success || row.data.at < before
    })
    .map(({ key }) => drop('provider-debts', key))
}
