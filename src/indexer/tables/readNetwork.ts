/** Reads the network's summary, its providers, its money and its activity. */
import type * as Hex from '../../protocol/Hex.ts'
import type * as Offer from '../../protocol/Offer.ts'
import type { Signed } from '../../protocol/SignedMessage.ts'
import type * as Api from '../Api.ts'
import * as ledger from '../ledger.ts'
import type { Database } from '../openDatabase.ts'
import { readMoney } from './chainTables.ts'
import { readTally } from './tallies.ts'
import { countDisputes, disputesOf } from './readDisputes.ts'
import { pageOf, splitBefore } from './pages.ts'
import { assuranceOf, readJobs, readLeases } from './readJobs.ts'

/** A job that says nothing for this long is not counted as running. */
const silentAfterMs = 600_000

/** Everything of the summary but the network's name and the state of the chain. */
export function readNetwork(
  database: Database,
  now: number,
): Omit<Api.Network, 'chainId' | 'vault' | 'chain'> {
  const tally = readTally(database)
  // A provider that fell silent leaves jobs that run for ever; those are not counted.
  const running = database.get<{ count: number }>(
    `SELECT count(*) AS count FROM jobs
     WHERE state = 'running' AND at > ? AND on_chain = 1 AND probe = 0`,
    now - silentAfterMs,
  )!.count
  const leases = database.get<{ open: number; settled: number }>(
    `SELECT count(*) FILTER (WHERE closed_at IS NULL) AS open,
       count(*) FILTER (WHERE closed_at IS NOT NULL) AS settled FROM leases`,
  )!
  const providers = database.get<{ online: number; known: number }>(
    `SELECT count(*) FILTER (WHERE o.expires_at > ?) AS online, count(*) AS known
     FROM ${knownProviders} p LEFT JOIN offers o ON o.provider = p.address`,
    now,
  )!
  return {
    providers: { ...providers },
    jobs: { delivered: tally.delivered, running, failed: tally.failed, probes: tally.probes },
    checks: checksOf(tally),
    tokens: { input: tally.input, output: tally.output },
    leases: { ...leases },
    disputes: countDisputes(database),
    money: readTotals(database),
    conservation: readConservation(database),
  }
}

const knownProviders = `(SELECT provider AS address FROM offers
  UNION SELECT address FROM accounts WHERE registered = 1)`

function checksOf(row: {
  readonly [check in keyof Api.Checks]: number | null
}): Api.Checks {
  return {
    verified: row.verified ?? 0,
    rejected: row.rejected ?? 0,
    unavailable: row.unavailable ?? 0,
    pending: row.pending ?? 0,
  }
}

/** The vault's sums as the API shows them. */
export function readTotals(database: Database): Api.Totals {
  const sums = readMoney(database)
  const earned = sums.claimed - sums.withdrawnByProviders
  const free = ledger.owed(sums) - sums.reserved - earned
  return {
    deposited: String(sums.deposited),
    reserved: String(sums.reserved),
    free: String(free),
    claimed: String(sums.claimed),
    earned: String(earned),
    withdrawnByBuyers: String(sums.withdrawnByBuyers),
    withdrawnByProviders: String(sums.withdrawnByProviders),
    refunded: String(sums.refunded),
  }
}

/** The newest comparison of the vault's balance with its books. */
export function readConservation(database: Database): Api.Conservation | null {
  const row = database.get<{ value: string }>(`SELECT value FROM meta WHERE name = 'conservation'`)
  return row ? (JSON.parse(row.value) as Api.Conservation) : null
}

/** Every provider with an offer or a registration: online ones first, then by work done. */
export function readProviders(database: Database, now: number): readonly Api.Provider[] {
  return selectProviders(database, now, '1 = 1', [])
}

export function readProvider(
  database: Database,
  now: number,
  address: string,
): Api.ProviderDetail | undefined {
  const [provider] = selectProviders(database, now, 'p.address = ?', [address])
  if (!provider) return undefined
  const offer = database.get<{ id: Hex.Hex; signed: string }>(
    `SELECT id, signed FROM offers WHERE provider = ?`,
    address,
  )
  return {
    provider,
    offer: offer ? { id: offer.id, signed: JSON.parse(offer.signed) as unknown } : null,
    jobs: readJobs(database, { limit: 20, provider: address, probes: '1' }).rows,
    leases: readLeases(database, { limit: 50, provider: address }).rows,
    disputes: disputesOf(database, address),
  }
}

type ProviderRow = {
  readonly address: Hex.Address
  readonly signed: string | null
  readonly expires_at: number | null
  readonly registered: number | null
  readonly stake: string | null
  readonly claimed: string | null
  readonly earnings_withdrawn: string | null
  readonly peer_id: string | null
  readonly minutes: number
  readonly heard: number
  readonly delivered: number | null
  readonly failed: number | null
} & { readonly [check in keyof Api.Checks]: number | null }

function selectProviders(
  database: Database,
  now: number,
  condition: string,
  values: readonly string[],
): readonly Api.Provider[] {
  const since = Math.floor(now / 60_000) - 1440
  const rows = database.all<ProviderRow>(
    `WITH first AS (
       SELECT account, min(minute) AS minute, count(*) AS heard FROM presence WHERE minute > ? GROUP BY account
     )
     SELECT p.address, o.signed, o.expires_at, a.registered, a.stake, a.claimed, a.earnings_withdrawn,
       a.peer_id, coalesce(first.heard, 0) AS heard,
       (SELECT count(*) FROM presence e WHERE e.account = 'explorer' AND e.minute >= first.minute) AS minutes,
       work.delivered, work.failed, work.verified, work.rejected, work.unavailable, work.pending
     FROM ${knownProviders} p
       LEFT JOIN offers o ON o.provider = p.address LEFT JOIN accounts a ON a.address = p.address
       LEFT JOIN first ON first.account = p.address LEFT JOIN tallies work ON work.provider = p.address
     WHERE ${condition}
     ORDER BY coalesce(o.expires_at, 0) > ? DESC, a.registered DESC, work.delivered DESC, p.address LIMIT 500`,
    since,
    ...values,
    now,
  )
  return rows.map((row) => toProvider(row, now))
}

function toProvider(row: ProviderRow, now: number): Api.Provider {
  const offer =
    row.signed === null ? undefined : (JSON.parse(row.signed) as Signed<WireOffer>).message
  const online = row.expires_at !== null && row.expires_at > now
  return {
    address: row.address,
    peerId: offer?.peerId ?? row.peer_id,
    online,
    registered: row.registered === 1,
    stake: row.stake ?? '0',
    claimed: row.claimed ?? '0',
    earned: String(BigInt(row.claimed ?? 0) - BigInt(row.earnings_withdrawn ?? 0)),
    region: offer?.region ?? null,
    hardware: offer ? hardwareOf(offer.hardware) : null,
    models: offer?.models ?? [],
    concurrency: offer?.concurrency ?? null,
    watts: offer?.watts ?? null,
    offerExpiresAt: row.expires_at,
    uptime: {
      minutes: row.minutes,
      share: row.minutes === 0 ? null : Math.min(1, row.heard / row.minutes),
    },
    jobs: row.delivered ?? 0,
    failed: row.failed ?? 0,
    checks: checksOf(row),
  }
}

/** An offer as it lies in the table: large integers are decimal strings. */
type WireOffer = Omit<Offer.Offer, 'models' | 'hardware'> & {
  readonly models: readonly Api.Model[]
  readonly hardware: WireHardware
}
type WireHardware = Omit<Offer.Hardware, 'memoryBytes' | 'diskBytes' | 'gpus'> & {
  readonly memoryBytes: string
  readonly diskBytes: string
  readonly gpus: readonly { name: string; memoryBytes: string; driver: string }[]
}

function hardwareOf(hardware: WireHardware): Api.Hardware {
  return {
    ...hardware,
    memoryBytes: Number(hardware.memoryBytes),
    diskBytes: Number(hardware.diskBytes),
    gpus: hardware.gpus.map((gpu) => ({ ...gpu, memoryBytes: Number(gpu.memoryBytes) })),
  }
}

/** Where the money is, how it came there, and whether the books agree with the chain. */
export function readMoneyPage(database: Database, query: Api.MoneyQuery): Api.Money {
  const before = query.before ? splitBefore(query.before) : [Number.MAX_SAFE_INTEGER, '0']
  const rows = database.all<Api.Movement>(
    `SELECT block, position, at, transaction_hash AS "transaction", type, buyer, provider, lease, amount
     FROM chain_events WHERE (block, position) < (?, ?)
       AND type NOT IN ('dispute-moved', 'dispute-adopted', 'dispute-ended') ORDER BY block DESC, position DESC LIMIT ?`,
    before[0]!,
    Number(before[1]),
    query.limit + 1,
  )
  return {
    totals: readTotals(database),
    conservation: readConservation(database),
    series: readSeries(database),
    movements: pageOf(rows, query.limit, (row) => `${row.block}-${row.position}`),
  }
}

const seriesLength = 300

/** Evenly chosen points of the vault's sums, the first and the last among them. */
function readSeries(database: Database): readonly Api.MoneyPoint[] {
  const count = database.get<{ count: number }>(`SELECT count(*) AS count FROM money`)!.count
  return database.all<Api.MoneyPoint>(
    `SELECT at, deposited, reserved, claimed FROM (
       SELECT *, row_number() OVER (ORDER BY block) AS n FROM money
     ) WHERE (n - 1) % ? = 0 OR n = ? ORDER BY block`,
    Math.max(1, Math.ceil(count / seriesLength)),
    count,
  )
}

const buckets = 60
const threadLength = 60

/** Jobs and tokens by time, and the newest jobs of each provider. */
export function readActivity(
  database: Database,
  now: number,
  query: Api.ActivityQuery,
): Api.Activity {
  const bucketMs = (query.minutes * 60_000) / buckets
  const first = Math.floor(now / bucketMs) - buckets + 1
  const found = new Map(
    database
      .all<{ bucket: number; jobs: number; tokens: number; rejected: number }>(
        `SELECT CAST(at / ? AS INTEGER) AS bucket, count(*) AS jobs, sum(output_tokens) AS tokens,
           count(*) FILTER (WHERE outcome = 'invalid') AS rejected
         FROM jobs WHERE on_chain = 1 AND probe = 0 AND state = 'delivered' AND at >= ?
         GROUP BY bucket`,
        bucketMs,
        first * bucketMs,
      )
      .map((row) => [row.bucket, row]),
  )
  return {
    bucketMs,
    points: Array.from({ length: buckets }, (_, index) => {
      const row = found.get(first + index)
      return {
        at: (first + index) * bucketMs,
        jobs: row?.jobs ?? 0,
        tokens: row?.tokens ?? 0,
        rejected: row?.rejected ?? 0,
      }
    }),
    threads: readThreads(database),
  }
}

function readThreads(database: Database): Api.Activity['threads'] {
  const rows = database.all<{
    id: Hex.Hex
    at: number
    provider: Hex.Address
    state: Api.Job['state']
    outcome: Api.Job['check']
    tier: string | null
    method: string | null
    payment: Api.Job['payment']
  }>(
    `SELECT id, at, provider, state, outcome, tier, method, payment FROM (
       SELECT *, row_number() OVER (PARTITION BY provider ORDER BY at DESC, id DESC) AS n
       FROM (SELECT * FROM jobs WHERE on_chain = 1 AND probe = 0 ORDER BY at DESC, id DESC LIMIT 2000)
     ) WHERE n <= ? ORDER BY provider, at, id`,
    threadLength,
  )
  const threads = new Map<Hex.Address, Api.Activity['threads'][number]['jobs'][number][]>()
  for (const row of rows) {
    const jobs = threads.get(row.provider) ?? []
    threads.set(row.provider, jobs)
    const { id, at, state, outcome: check } = row
    jobs.push({ id, at, state, check, assurance: assuranceOf(row) })
  }
  return [...threads].slice(0, 50).map(([provider, jobs]) => ({ provider, jobs }))
}
