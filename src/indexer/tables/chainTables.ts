/** Writes what the chain says: its events, and the sums over them. All of it can be rolled back. */
import type { ChainEvent } from '../../chain/Chain.ts'
import type * as Hex from '../../protocol/Hex.ts'
import * as Json from '../../protocol/Json.ts'
import type { Change, Conservation } from '../Api.ts'
import * as ledger from '../ledger.ts'
import type { Database } from '../openDatabase.ts'
import {
  aboutOf,
  deriveClaim,
  deriveDispute,
  disputesAbout,
  reviveAmount,
} from './disputeTables.ts'
import { deriveJobsOfLease, deriveMeter } from './derive.ts'

/** How far the chain has been read. `hash` is null in the middle of a long first read. */
export type Cursor = { readonly block: number; readonly hash: Hex.Hex | null }

/** Which event stands where: equal places mean the same event. */
export type Place = {
  readonly block: number
  readonly position: number
  readonly blockHash: string
  readonly transaction: string
  readonly type: string
}

export function readCursor(database: Database): Cursor | undefined {
  const row = database.get<{ value: string }>(`SELECT value FROM meta WHERE name = 'cursor'`)
  return row && (JSON.parse(row.value) as Cursor)
}

function writeMeta(database: Database, name: string, value: unknown): void {
  database.run(
    `INSERT INTO meta (name, value) VALUES (?, ?)
     ON CONFLICT (name) DO UPDATE SET value = excluded.value`,
    name,
    Json.stringify(value),
  )
}

export function writeConservation(database: Database, check: Conservation): void {
  writeMeta(database, 'conservation', check)
}

/** Places of the events from a block on, in order. */
export function placesFrom(database: Database, block: number): readonly Place[] {
  return database.all<Place>(
    `SELECT block, position, block_hash AS blockHash, transaction_hash AS "transaction", type
     FROM chain_events WHERE block >= ? ORDER BY block, position`,
    block,
  )
}

/** Replaces everything from block `from` on by `events`, and moves the cursor; all or nothing. */
export function replaceEvents(
  database: Database,
  options: { from: number; events: readonly ChainEvent[]; cursor: Cursor },
): readonly Change[] {
  const { from, events, cursor } = options
  return database.transaction(() => {
    const touched: Touched = {
      leases: new Set(),
      accounts: new Set(),
      rebuilt: new Set(),
      claims: new Set(),
      disputes: new Set(),
    }
    rollBack(database, from, touched)
    append(database, events, touched)
    writeMeta(database, 'cursor', cursor)
    for (const id of touched.rebuilt) {
      deriveMeter(database, id)
      deriveJobsOfLease(database, id)
    }
    for (const id of touched.claims) deriveClaim(database, id)
    for (const id of touched.disputes) deriveDispute(database, id)
    // Each shows its claim.
    const shown = [...touched.claims].flatMap((id) => disputesAbout(database, id))
    return [
      ...[...touched.leases].map((id): Change => ({ kind: 'lease', id })),
      ...[...touched.accounts].map((id): Change => ({ kind: 'provider', id })),
      ...[...new Set([...touched.disputes, ...shown])].map((id): Change => ({
        kind: 'dispute',
        id,
      })),
      ...(events.length + touched.leases.size + touched.accounts.size > 0
        ? [{ kind: 'money', id: 'vault' } as const]
        : []),
    ]
  })
}

type Touched = {
  readonly leases: Set<Hex.Hex>
  readonly accounts: Set<Hex.Address>
  /** Leases that appeared or went: their jobs look different now. */
  readonly rebuilt: Set<Hex.Hex>
  readonly claims: Set<Hex.Hex>
  readonly disputes: Set<Hex.Hex>
}

function rollBack(database: Database, from: number, touched: Touched): void {
  const rows = database.all<{
    lease: Hex.Hex | null
    buyer: Hex.Hex
    provider: Hex.Hex
    claim: Hex.Hex | null
    dispute: Hex.Hex | null
  }>(
    `SELECT DISTINCT lease, buyer, provider, claim, dispute FROM chain_events WHERE block >= ?`,
    from,
  )
  if (rows.length === 0) return
  database.run(`DELETE FROM chain_events WHERE block >= ?`, from)
  database.run(`DELETE FROM money WHERE block >= ?`, from)
  for (const { lease, buyer, provider, claim, dispute } of rows) {
    if (lease) touched.leases.add(lease)
    if (claim) touched.claims.add(claim)
    if (dispute) touched.disputes.add(dispute)
    for (const address of [buyer, provider]) if (address) touched.accounts.add(address)
  }
  for (const id of touched.leases) {
    touched.rebuilt.add(id)
    const events = readEvents(database, 'lease', id)
    const row = events.reduce<ledger.Lease | undefined>(ledger.lease, undefined)
    if (row) writeLease(database, id, row)
    else database.run(`DELETE FROM leases WHERE id = ?`, id)
  }
  for (const address of touched.accounts) {
    const events = [
      ...readEvents(database, 'buyer', address),
      ...readEvents(database, 'provider', address).filter((event) => !buysFromItself(event)),
    ]
    if (events.length === 0) database.run(`DELETE FROM accounts WHERE address = ?`, address)
    else
      writeAccount(
        database,
        address,
        events
          .toSorted((a, b) => Number(a.block - b.block))
          .reduce((row, event) => ledger.account(row, address, event), ledger.newAccount),
      )
  }
}

function append(database: Database, events: readonly ChainEvent[], touched: Touched): void {
  let sums = readMoney(database)
  let block = -1
  let position = 0
  for (const event of events) {
    position = Number(event.block) === block ? position + 1 : 0
    block = Number(event.block)
    const id = 'lease' in event ? event.lease : undefined
    const before = id && readLease(database, id)
    const after = id && ledger.lease(before, event)
    const buyer = 'buyer' in event ? event.buyer : after?.buyer
    const provider = 'provider' in event ? event.provider : after?.provider

    const about = aboutOf(event)
    if (about.claim) touched.claims.add(about.claim)
    if (about.dispute) touched.disputes.add(about.dispute)
    insertEvent(database, event, { position, buyer, provider, ...about })
    sums = ledger.money(sums, event, (event.type === 'lease-opened' && before?.total) || 0n)
    if (id) touched.leases.add(id)
    if (id && after) writeLease(database, id, after)
    if (id && !before) touched.rebuilt.add(id)
    for (const address of new Set([buyer, provider])) {
      if (!address) continue
      touched.accounts.add(address)
      const row = readAccount(database, address) ?? ledger.newAccount
      writeAccount(database, address, ledger.account(row, address, event))
    }
    writeMoney(database, block, event.timestampSeconds * 1000, sums)
  }
}

function insertEvent(
  database: Database,
  event: ChainEvent,
  facts: {
    position: number
    buyer: Hex.Address | undefined
    provider: Hex.Address | undefined
    claim: Hex.Hex | null
    dispute: Hex.Hex | null
  },
): void {
  database.run(
    `INSERT INTO chain_events
       (block, position, block_hash, at, transaction_hash, type, lease, buyer, provider, claim, dispute,
        amount, body)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    Number(event.block),
    facts.position,
    event.blockHash,
    event.timestampSeconds * 1000,
    event.transaction,
    event.type,
    'lease' in event ? event.lease : null,
    facts.buyer ?? null,
    facts.provider ?? null,
    facts.claim,
    facts.dispute,
    amountOf(event)?.toString() ?? null,
    Json.stringify(event),
  )
}

function amountOf(event: ChainEvent): bigint | undefined {
  if ('amountMicroUsd' in event) return event.amountMicroUsd
  if ('bondMicroUsd' in event) return event.bondMicroUsd
  if (event.type === 'lease-opened') return event.totalMicroUsd
  if (event.type === 'lease-closed') return event.refundMicroUsd
  return event.type === 'registered' ? event.stakeMicroUsd : undefined
}

function buysFromItself(event: ChainEvent): boolean {
  return 'buyer' in event && 'provider' in event && event.buyer === event.provider
}

function readEvents(
  database: Database,
  column: 'lease' | 'buyer' | 'provider',
  value: string,
): readonly ChainEvent[] {
  return database
    .all<{ body: string }>(
      `SELECT body FROM chain_events WHERE ${column} = ? ORDER BY block, position`,
      value,
    )
    .map(({ body }) => JSON.parse(body, reviveAmount) as ChainEvent)
}

function readAccount(database: Database, address: string): ledger.Account | undefined {
  const row = database.get<Record<string, string | number | null>>(
    `SELECT deposited, withdrawn, claimed, earnings_withdrawn, registered, stake, peer_id, offer_uri
     FROM accounts WHERE address = ?`,
    address,
  )
  if (!row) return undefined
  return {
    deposited: BigInt(row['deposited']!),
    withdrawn: BigInt(row['withdrawn']!),
    claimed: BigInt(row['claimed']!),
    earningsWithdrawn: BigInt(row['earnings_withdrawn']!),
    registered: row['registered'] === 1,
    stake: BigInt(row['stake']!),
    peerId: row['peer_id'] as string | null,
    offerUri: row['offer_uri'] as string | null,
  }
}

function writeAccount(database: Database, address: string, row: ledger.Account): void {
  database.run(
    `INSERT OR REPLACE INTO accounts
       (address, deposited, withdrawn, claimed, earnings_withdrawn, registered, stake, peer_id, offer_uri)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    address,
    row.deposited.toString(),
    row.withdrawn.toString(),
    row.claimed.toString(),
    row.earningsWithdrawn.toString(),
    row.registered ? 1 : 0,
    row.stake.toString(),
    row.peerId,
    row.offerUri,
  )
}

function readLease(database: Database, id: string): ledger.Lease | undefined {
  const row = database.get<Record<string, string | number | null>>(
    `SELECT buyer, provider, nonce, total, claimed, refunded, terms, opened_at, expires_at, closed_at
     FROM leases WHERE id = ?`,
    id,
  )
  if (!row) return undefined
  return {
    buyer: row['buyer'] as Hex.Address,
    provider: row['provider'] as Hex.Address,
    nonce: BigInt(row['nonce']!),
    total: BigInt(row['total']!),
    claimed: BigInt(row['claimed']!),
    refunded: BigInt(row['refunded']!),
    terms: row['terms'] as Hex.Hex,
    openedAt: row['opened_at'] as number,
    expiresAt: row['expires_at'] as number,
    closedAt: row['closed_at'] as number | null,
  }
}

function writeLease(database: Database, id: string, row: ledger.Lease): void {
  database.run(
    `INSERT INTO leases
       (id, buyer, provider, nonce, total, claimed, refunded, terms, opened_at, expires_at, closed_at, meter)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'open')
     ON CONFLICT (id) DO UPDATE SET buyer = excluded.buyer, provider = excluded.provider,
       nonce = excluded.nonce, total = excluded.total, claimed = excluded.claimed,
       refunded = excluded.refunded, terms = excluded.terms, opened_at = excluded.opened_at,
       expires_at = excluded.expires_at, closed_at = excluded.closed_at`,
    id,
    row.buyer,
    row.provider,
    row.nonce.toString(),
    row.total.toString(),
    row.claimed.toString(),
    row.refunded.toString(),
    row.terms,
    row.openedAt,
    row.expiresAt,
    row.closedAt,
  )
}

/** The vault's sums after the newest event. */
export function readMoney(database: Database): ledger.Money {
  const row = database.get<Record<string, string>>(
    `SELECT deposited, reserved, claimed, refunded, withdrawn_by_buyers, withdrawn_by_providers
     FROM money ORDER BY block DESC LIMIT 1`,
  )
  if (!row) return ledger.noMoney
  return {
    deposited: BigInt(row['deposited']!),
    reserved: BigInt(row['reserved']!),
    claimed: BigInt(row['claimed']!),
    refunded: BigInt(row['refunded']!),
    withdrawnByBuyers: BigInt(row['withdrawn_by_buyers']!),
    withdrawnByProviders: BigInt(row['withdrawn_by_providers']!),
  }
}

function writeMoney(database: Database, block: number, at: number, sums: ledger.Money): void {
  database.run(
    `INSERT OR REPLACE INTO money
       (block, at, deposited, reserved, claimed, refunded, withdrawn_by_buyers, withdrawn_by_providers)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    block,
    at,
    sums.deposited.toString(),
    sums.reserved.toString(),
    sums.claimed.toString(),
    sums.refunded.toString(),
    sums.withdrawnByBuyers.toString(),
    sums.withdrawnByProviders.toString(),
  )
}
