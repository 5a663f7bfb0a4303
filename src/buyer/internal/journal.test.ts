import { describe, expect, test } from 'vitest'
import * as Hex from '../../protocol/Hex.ts'
import { memoryStore } from '../../runtime/memoryStore.ts'
import { silentLogger } from '../../runtime/silentLogger.ts'
import { WriteError, type Write } from '../../runtime/Store.ts'
import { virtualClock } from '../../runtime/virtualClock.ts'
import { createBackground } from './background.ts'
import { createJournal } from './journal.ts'
import type { JobRow } from './rows.ts'

function open() {
  const disk = memoryStore()
  const batches: (readonly Write[])[] = []
  const state = { full: false }
  const store = {
    ...disk,
    async write(writes: readonly Write[]) {
      await Promise.resolve()
      if (state.full) throw new WriteError({ cause: new Error('disk full'), path: 'disk' })
      if (writes.length > 0) batches.push(writes)
      await disk.write(writes)
    },
  }
  const clock = virtualClock()
  const background = createBackground({ logger: silentLogger() })
  return { clock, batches, state, journal: createJournal({ store, clock, background }), background }
}

const job = (number: number, facts: Partial<JobRow> = {}): JobRow => ({
  job: Hex.sha256(`job ${number}`),
  lease: Hex.sha256('lease'),
  provider: `0x${'11'.repeat(20)}`,
  model: 'words',
  state: 'running',
  assurance: { tier: 'unverified', state: 'pending' },
  usage: { inputTokens: 0, outputTokens: 0 },
  priceMicroUsd: 12n,
  receiptId: Hex.zero,
  createdAt: 1_700_000_000_000 + number,
  ...facts,
})

describe('createJournal', () => {
  test('gives back what it was given, the newest first', async () => {
    const { journal } = open()
    for (const number of [1, 3, 2]) await journal.save({ job: job(number) })
    expect(await journal.jobs(2)).toEqual([job(3), job(2)])
    expect(await journal.job(job(1).job)).toEqual(job(1))
    expect(await journal.job(Hex.zero)).toBeUndefined()
  })

  test('knows which jobs are not final', async () => {
    const { journal } = open()
    await journal.save({ job: job(1) })
    await journal.save({ job: job(2, { state: 'delivered' }) })
    await journal.save({ job: job(3) })
    await journal.save({ job: job(3, { state: 'paid' }) })
    const pending = await journal.pendingJobs()
    expect(pending.map(({ job: id }) => id).toSorted()).toEqual([job(1).job, job(2).job].toSorted())
  })

  test('writes what meets in one transaction', async () => {
    const { journal, batches } = open()
    await Promise.all([1, 2, 3, 4].map((number) => journal.save({ job: job(number) })))
    expect(batches.length).toBe(2)
  })

  test('keeps what the disk refused, and writes the newest of it when there is room', async () => {
    const { journal, state, batches } = open()
    state.full = true
    await expect(journal.save({ job: job(1) })).rejects.toThrow(WriteError)
    await expect(journal.flush()).rejects.toThrow(WriteError)
    await expect(journal.save({ job: job(1, { state: 'paid' }) })).rejects.toThrow(WriteError)
    state.full = false
    await journal.flush()
    expect(batches.length).toBe(1)
    expect(await journal.job(job(1).job)).toMatchObject({ state: 'paid' })
  })

  test('writes soon what may wait', async () => {
    const { journal, clock, batches } = open()
    journal.later({ job: job(1) })
    journal.later({ job: job(2) })
    await clock.run(clock.now() + 300)
    expect(batches.length).toBe(1)
    expect((await journal.jobs(10)).length).toBe(2)
  })

  test('writes a job that is soon delivered once, and none of its beginning after that', async () => {
    const { journal, clock, batches } = open()
    journal.later({ job: job(1) })
    journal.later({ job: job(2) })
    await journal.keep({ job: job(1, { state: 'delivered' }) })
    expect(batches.flat().every(({ key }) => !key.includes(job(2).job))).toBe(true)
    await clock.run(clock.now() + 300)
    expect(await journal.job(job(1).job)).toMatchObject({ state: 'delivered' })
    expect((await journal.pendingJobs()).length).toBe(2)
    expect(batches.flat().filter(({ key }) => key === job(1).job).length).toBe(2)
  })

  test('finds a paid job by its time without writing that again', async () => {
    const { journal, batches } = open()
    await journal.save({ job: job(1, { state: 'delivered' }) })
    await journal.save({ job: job(1, { state: 'paid' }) })
    expect(batches.map((batch) => batch.length)).toEqual([3, 2])
    expect(await journal.jobs(1)).toEqual([job(1, { state: 'paid' })])
    expect(await journal.pendingJobs()).toEqual([])
  })

  test('remembers providers and sums', async () => {
    const { journal } = open()
    const address = job(1).provider
    const row = { good: 1, bad: 2, asOfMs: 3, excluded: { code: 'A', message: 'b' } }
    await journal.save({ provider: [address, row], settledMicroUsd: 7n })
    expect(await journal.providers()).toEqual([[address, row]])
    expect(await journal.settledMicroUsd()).toBe(7n)
  })
})
