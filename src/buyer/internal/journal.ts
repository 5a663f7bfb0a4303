import type * as z from 'zod/mini'
import type * as Hex from '../../protocol/Hex.ts'
import * as Json from '../../protocol/Json.ts'
import * as Lease from '../../protocol/Lease.ts'
import type { Clock } from '../../runtime/Clock.ts'
import type { Store, Write, WriteOptions } from '../../runtime/Store.ts'
import type { Background } from './background.ts'
import {
  jobRow,
  leaseRow,
  providerRow,
  type JobRow,
  type LeaseRow,
  type ProviderRow,
} from './rows.ts'

/**
 * What a buyer must not forget: the leases and vouchers it signed, the jobs it owes for, the providers
 * it has excluded. Writes that meet are made in one transaction.
 */
export type Journal = {
  /**
   * Resolves when everything given so far survives `kill -9` and a power cut, but for jobs that have only
   * begun. @throws {Store.WriteError}
   */
  save(rows: Rows): Promise<void>
  /** The same, but the power cut a moment later: for records that promise nothing to anybody yet. */
  keep(rows: Rows): Promise<void>
  /**
   * Writes soon, with the next `save` or by itself: for what would be a pity to lose, not a loss. A job that
   * has only begun waits longer than most jobs last, so that one of them is rarely written.
   */
  later(rows: Rows): void
  /** Resolves when nothing waits to be written. @throws {Store.WriteError} while the disk does not take it */
  flush(options?: WriteOptions): Promise<void>
  /** Resolves at once while writes succeed. @throws {Store.WriteError} while the disk does not take them */
  usable(): Promise<void>
  job(id: Hex.Hex): Promise<JobRow | undefined>
  /** The newest first. */
  jobs(limit: number): Promise<readonly JobRow[]>
  /** Jobs that were not final when the last life ended. */
  pendingJobs(): Promise<readonly JobRow[]>
  /** Leases that are not over for good. */
  leases(): Promise<readonly LeaseRow[]>
  providers(): Promise<readonly (readonly [Hex.Address, ProviderRow])[]>
  /** Sum of all vouchers signed in leases that are over for good. */
  settledMicroUsd(): Promise<bigint>
}

export type Rows = {
  readonly lease?: LeaseRow | undefined
  /** A lease that is over for good: kept, but not read again. */
  readonly endedLease?: LeaseRow | undefined
  readonly job?: JobRow | undefined
  readonly provider?: readonly [Hex.Address, ProviderRow] | undefined
  readonly settledMicroUsd?: bigint | undefined
}

const tables = {
  leases: 'buyer-leases',
  ended: 'buyer-leases-ended',
  jobs: 'buyer-jobs',
  jobsByTime: 'buyer-jobs-by-time',
  pending: 'buyer-jobs-pending',
  providers: 'buyer-providers',
  sums: 'buyer-sums',
} as const

/** Keeps the journal in a store. */
export function createJournal(ports: createJournal.Ports): Journal {
  const { store, clock, background } = ports
  const waiting = new Map<string, Write>()
  const begun = new Map<string, Write>()
  let writing: Promise<void> | undefined
  let scheduled = false
  let failing = false

  /** A late word about a lease must not bring it back: it would be counted twice. */
  const ended = new Set<string>()

  const put = (writes: readonly Write[], queue = waiting) => {
    for (const write of writes) {
      if (write.table === tables.ended) ended.add(write.key)
      if (write.table === tables.leases && write.value !== undefined && ended.has(write.key))
        continue
      const name = `${write.table}/${write.key}`
      begun.delete(name)
      queue.set(name, write)
    }
  }

  /**
   * Takes all that waits in one transaction; what the disk refuses waits again, unless replaced since.
   * Who needs it on the disk at once waits for that alone, and holds nobody up.
   */
  async function flushWaiting({ sync = 'now' }: WriteOptions = {}): Promise<void> {
    while (writing) await writing.catch(() => {})
    if (waiting.size > 0) await transact()
    if (sync === 'now') await store.write([])
  }

  async function flush(options?: WriteOptions): Promise<void> {
    for (const [name, write] of begun) waiting.set(name, write)
    begun.clear()
    await flushWaiting(options)
  }

  async function transact(): Promise<void> {
    const batch = [...waiting]
    waiting.clear()
    writing = store.write(
      batch.map(([, write]) => write),
      { sync: 'soon' },
    )
    try {
      await writing
      failing = false
    } catch (error) {
      failing = true
      for (const [key, write] of batch) if (!waiting.has(key)) waiting.set(key, write)
      throw error
    } finally {
      writing = undefined
    }
  }

  return {
    async save(rows) {
      put(writesOf(rows))
      await flushWaiting()
    },
    async keep(rows) {
      put(writesOf(rows))
      await flushWaiting({ sync: 'soon' })
    },
    later(rows) {
      put(writesOf(rows), rows.job?.state === 'running' ? begun : waiting)
      if (scheduled) return
      scheduled = true
      background.run('journal', async () => {
        await clock.sleep(250, { signal: background.signal }).finally(() => (scheduled = false))
        await flush({ sync: 'soon' })
      })
    },
    flush,
    usable: async () => void (failing && (await flush())),
    async job(id) {
      const found = await store.get(tables.jobs, id)
      return found === undefined ? undefined : parse(jobRow, found)
    },
    async jobs(limit) {
      const newest = await store.list(tables.jobsByTime, { limit })
      const rows = await Promise.all(newest.map(({ value }) => store.get(tables.jobs, value)))
      return rows.flatMap((row) => (row === undefined ? [] : [parse(jobRow, row)]))
    },
    async pendingJobs() {
      const entries = await all(store, tables.pending)
      const rows = await Promise.all(entries.map(({ key }) => store.get(tables.jobs, key)))
      return rows.flatMap((row) => (row === undefined ? [] : [parse(jobRow, row)]))
    },
    leases: async () =>
      (await all(store, tables.leases)).map(({ value }) => parse(leaseRow, value)),
    providers: async () =>
      (await all(store, tables.providers)).map(
        ({ key, value }) => [key as Hex.Address, parse(providerRow, value)] as const,
      ),
    settledMicroUsd: async () => BigInt((await store.get(tables.sums, 'settledMicroUsd')) ?? '0'),
  }
}

export declare namespace createJournal {
  type Ports = { store: Store; clock: Clock; background: Background }
}

function writesOf({ lease, endedLease, job, provider, settledMicroUsd }: Rows): readonly Write[] {
  const writes: Write[] = []
  if (lease) {
    const key = Lease.id(lease.lease.message)
    writes.push({ table: tables.leases, key, value: Json.stringify(lease) })
  }
  if (endedLease) {
    const key = Lease.id(endedLease.lease.message)
    writes.push(
      { table: tables.leases, key, value: undefined },
      { table: tables.ended, key, value: Json.stringify(endedLease) },
    )
  }
  if (job) {
    const pending = job.state === 'running' || job.state === 'delivered'
    writes.push(
      { table: tables.jobs, key: job.job, value: Json.stringify(job) },
      { table: tables.pending, key: job.job, value: pending ? '' : undefined },
    )
    // What comes after the delivery finds the entry there.
    if (job.state !== 'paid' && job.state !== 'refunded')
      writes.push({ table: tables.jobsByTime, key: timeKey(job), value: job.job })
  }
  if (provider)
    writes.push({ table: tables.providers, key: provider[0], value: Json.stringify(provider[1]) })
  if (settledMicroUsd !== undefined)
    writes.push({ table: tables.sums, key: 'settledMicroUsd', value: `${settledMicroUsd}` })
  return writes
}

/** Ascending keys, newest first. */
function timeKey({ createdAt, job }: JobRow): string {
  return `${`${9_999_999_999_999 - createdAt}`.padStart(13, '0')}${job}`
}

async function all(store: Store, table: string) {
  const entries = []
  for (let after: string | undefined; ; after = entries.at(-1)!.key) {
    const page = await store.list(table, { after, limit: 1000 })
    entries.push(...page)
    if (page.length < 1000) return entries
  }
}

function parse<row>(schema: z.ZodMiniType<row>, text: string): row {
  return Json.parse(schema, JSON.parse(text), { what: 'row of the journal' })
}
