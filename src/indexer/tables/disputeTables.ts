/** Makes the rows of claims, disputes and their moves out of the chain's events, all of a dispute each time one arrives. */
import type { ChainEvent } from '../../chain/Chain.ts'
import type * as Hex from '../../protocol/Hex.ts'
import * as Json from '../../protocol/Json.ts'
import { whereOf } from '../disputeGame.ts'
import * as disputes from '../disputes.ts'
import type { Database } from '../openDatabase.ts'

/** Notes the clock that every dispute begins with. */
export function keepClock(database: Database, clockSeconds: number): void {
  database.run(
    `INSERT INTO meta (name, value) VALUES ('clock-ms', ?)
     ON CONFLICT (name) DO UPDATE SET value = excluded.value`,
    String(clockSeconds * 1000),
  )
}

/** The dispute that an event is about, and the claim whose row follows from it; null where there is none. */
export function aboutOf(event: ChainEvent): {
  readonly claim: Hex.Hex | null
  readonly dispute: Hex.Hex | null
} {
  const dispute = 'dispute' in event ? event.dispute : null
  if (event.type === 'challenged') return { claim: event.key.claim, dispute }
  return { claim: 'claim' in event ? event.claim : null, dispute }
}

/** Makes a claim's row again. */
export function deriveClaim(database: Database, id: Hex.Hex): void {
  database.run(`DELETE FROM claims WHERE id = ?`, id)
  const row = readEvents(database, 'claim = ?', id).reduce<disputes.Claim | undefined>(
    disputes.claim,
    undefined,
  )
  if (!row) return
  const { message } = row
  database.run(
    `INSERT INTO claims (id, claimant, job, state, reserved, burned, released, challenge_until, message)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    id,
    message.claimant,
    disputes.jobOf(message),
    row.state,
    String(row.reserved),
    String(row.burned),
    String(row.released),
    message.challengeUntil * 1000,
    Json.stringify(message),
  )
}

/** Disputes about a claim. */
export function disputesAbout(database: Database, claim: Hex.Hex): readonly Hex.Hex[] {
  return database
    .all<{ id: Hex.Hex }>(`SELECT id FROM disputes WHERE claim = ? LIMIT 100`, claim)
    .map(({ id }) => id)
}

/** Makes a dispute's rows again. */
export function deriveDispute(database: Database, id: Hex.Hex): void {
  database.run(`DELETE FROM disputes WHERE id = ?`, id)
  database.run(`DELETE FROM dispute_moves WHERE dispute = ?`, id)
  const clock = database.get<{ value: string }>(`SELECT value FROM meta WHERE name = 'clock-ms'`)
  const clockMs = Number(clock?.value ?? 0)
  const row = readEvents(database, 'dispute = ?', id).reduce<disputes.Dispute | undefined>(
    (before, event) => disputes.dispute(before, event, { clockMs }),
    undefined,
  )
  if (row) writeDispute(database, id, row)
}

function writeDispute(database: Database, id: Hex.Hex, row: disputes.Dispute): void {
  database.run(
    `INSERT INTO disputes
       (id, claim, claimant, challenger, job, state, ended_by, turn, claimant_ms, challenger_ms,
        moved_at, opened_at, ended_at, moves, gas, bond, slashed, place, segment)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    id,
    row.claim,
    row.message.claimant,
    row.challenger,
    disputes.jobOf(row.message),
    row.state,
    row.by,
    row.position.turn,
    row.claimantMs,
    row.challengerMs,
    row.movedAt,
    row.openedAt,
    row.endedAt,
    row.number,
    row.gas,
    String(row.bond),
    String(row.slashed),
    JSON.stringify(whereOf(row.position, row.message)),
    JSON.stringify(row.segment),
  )
  row.moves.forEach((move, place) =>
    database.run(
      `INSERT INTO dispute_moves
         (dispute, place, number, party, type, words, bytes, at, block, transaction_hash, gas)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      id,
      place,
      move.number,
      move.party,
      move.type,
      move.words,
      move.bytes,
      move.at,
      move.block,
      move.transaction,
      move.gas,
    ),
  )
}

function readEvents(database: Database, condition: string, value: string): readonly ChainEvent[] {
  return database
    .all<{ body: string }>(
      `SELECT body FROM chain_events WHERE ${condition} ORDER BY block, position`,
      value,
    )
    .map(({ body }) => JSON.parse(body, reviveAmount) as ChainEvent)
}

/** An event lies in the table as JSON, its large integers as decimal strings. */
export function reviveAmount(key: string, value: unknown): unknown {
  return typeof value === 'string' && /MicroUsd$|^(nonce|block|bond|gasUsed)$/.test(key)
    ? BigInt(value)
    : value
}
