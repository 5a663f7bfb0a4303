/** Reads disputes and claims as the API shows them. */
import type * as Hex from '../../protocol/Hex.ts'
import type * as Api from '../Api.ts'
import type { Database } from '../openDatabase.ts'
import { conditions, pageOf, splitBefore } from './pages.ts'

/** Disputes, newest first. */
export function readDisputes(database: Database, query: Api.DisputesQuery): Api.Page<Api.Dispute> {
  const where = conditions([
    ['1 = 1', []],
    query.claimant ? ['claimant = ?', [query.claimant]] : undefined,
    query.challenger ? ['challenger = ?', [query.challenger]] : undefined,
    query.claim ? ['claim = ?', [query.claim]] : undefined,
    query.job ? ['job = ?', [query.job]] : undefined,
    query.show ? [`state ${query.show === 'open' ? '=' : '<>'} 'open'`, []] : undefined,
    query.before ? ['(opened_at, id) < (?, ?)', splitBefore(query.before)] : undefined,
  ])
  const rows = database.all<DisputeRow>(
    `SELECT * FROM disputes WHERE ${where.sql} ORDER BY opened_at DESC, id DESC LIMIT ?`,
    ...where.values,
    query.limit + 1,
  )
  return pageOf(rows.map(toDispute), query.limit, (row) => `${row.openedAt}-${row.id}`)
}

/** Disputes about an account's claims, and by it, newest first. */
export function disputesOf(database: Database, account: string): readonly Api.Dispute[] {
  return database
    .all<DisputeRow>(
      `SELECT * FROM disputes WHERE claimant = ? OR challenger = ?
       ORDER BY opened_at DESC, id DESC LIMIT 20`,
      account,
      account,
    )
    .map(toDispute)
}

/** How many disputes stand how. */
export function countDisputes(database: Database): Api.Disputes {
  const row = database.get<Api.Disputes>(
    `SELECT count(*) FILTER (WHERE state = 'open') AS open,
       count(*) FILTER (WHERE state = 'challenger-won') AS convicted,
       count(*) FILTER (WHERE state = 'claimant-won') AS upheld FROM disputes`,
  )!
  return { ...row }
}

/** A dispute and all that is known of it; undefined when nothing is. */
export function readDispute(database: Database, id: string): Api.DisputeDetail | undefined {
  const row = database.get<DisputeRow>(`SELECT * FROM disputes WHERE id = ?`, id)
  const claim = row && readClaim(database, row.claim)
  if (!row || !claim) return undefined
  const moves = database.all<Api.DisputeMove>(
    `SELECT number, party, type, words, bytes, at, block, transaction_hash AS "transaction", gas
     FROM dispute_moves WHERE dispute = ? ORDER BY place`,
    id,
  )
  const others = readDisputes(database, { limit: 20, claim: row.claim }).rows
  return {
    dispute: toDispute(row),
    claim,
    segment: JSON.parse(row.segment) as Api.DisputeSegment,
    moves: moves.map((move) => ({ ...move })),
    others: others.filter((other) => other.id !== id),
  }
}

function readClaim(database: Database, id: Hex.Hex): Api.ExactClaim | undefined {
  const row = database.get<ClaimRow>(`SELECT * FROM claims WHERE id = ?`, id)
  if (!row) return undefined
  const message = JSON.parse(row.message) as Message
  const { graph, graphCid, start, end, data, run, seed0, seed1, worker, steps, bond } = message
  return {
    id,
    state: row.state,
    graph,
    graphCid,
    start,
    end,
    data,
    run,
    worker,
    steps,
    bond,
    seed: [seed0, seed1],
    reserved: row.reserved,
    burned: row.burned,
    released: row.released,
    challengeUntil: row.challenge_until,
  }
}

type Message = Pick<
  Api.ExactClaim,
  'graph' | 'graphCid' | 'start' | 'end' | 'data' | 'run' | 'worker' | 'steps' | 'bond'
> & { readonly seed0: number; readonly seed1: number }

type ClaimRow = {
  readonly state: Api.ExactClaim['state']
  readonly reserved: string
  readonly burned: string
  readonly released: string
  readonly challenge_until: number
  readonly message: string
}

type DisputeRow = {
  readonly id: Hex.Hex
  readonly claim: Hex.Hex
  readonly claimant: Hex.Address
  readonly challenger: Hex.Address
  readonly job: Hex.Hex | null
  readonly state: Api.Dispute['state']
  readonly ended_by: Api.Dispute['by']
  readonly turn: Api.Dispute['turn']
  readonly claimant_ms: number
  readonly challenger_ms: number
  readonly moved_at: number
  readonly opened_at: number
  readonly ended_at: number | null
  readonly moves: number
  readonly gas: number
  readonly bond: string
  readonly slashed: string
  readonly place: string
  readonly segment: string
}

function toDispute(row: DisputeRow): Api.Dispute {
  const { id, claim, claimant, challenger, job, state, turn, moves, gas, bond, slashed } = row
  return {
    id,
    claim,
    claimant,
    challenger,
    job,
    state,
    turn,
    moves,
    gas,
    bond,
    slashed,
    by: row.ended_by,
    claimantMs: row.claimant_ms,
    challengerMs: row.challenger_ms,
    movedAt: row.moved_at,
    openedAt: row.opened_at,
    endedAt: row.ended_at,
    where: JSON.parse(row.place) as Api.Where,
  }
}
