import { describe, expect, test } from 'vitest'
import { trainingOrder } from '../../../test/trainingOrder.ts'
import * as Hex from '../../protocol/Hex.ts'
import * as Identity from '../../protocol/Identity.ts'
import * as Batch from '../../protocol/training/Batch.ts'
import type * as Entry from '../../protocol/training/Entry.ts'
import * as Join from '../../protocol/training/Join.ts'
import * as TrainingOrder from '../../protocol/training/TrainingOrder.ts'
import { memoryStore } from '../../runtime/memoryStore.ts'
import { candidatesOf, waitMs } from './candidates.ts'
import { type Log, openLog } from './openLog.ts'

const domain = { chainId: 1, vault: `0x${'11'.repeat(20)}` } as const
const people = [1, 2, 3, 4].map((byte) => Identity.from(new Uint8Array(32).fill(byte)))
const [buyer, ...workers] = people as [Identity.Identity, ...Identity.Identity[]]
const message = trainingOrder({ buyer: buyer.address, minWorkers: 3 })
const order = TrainingOrder.sign(domain, message, buyer)
const nowMs = 1_000_000

describe('openLog', () => {
  test('comes back from the store as it was', async () => {
    const store = memoryStore()
    const log = await openLog({ domain, store }, { order })
    await write(log, buyer, { entries: workers.map((worker) => join(worker)) })
    await write(log, buyer, {})
    const again = await openLog({ domain, store }, { order })
    expect(again.head()).toEqual(log.head())
    expect(again.state()).toEqual(log.state())
    expect(again.state().phase).toBe('warm-up')
    expect(again.from(1)).toEqual(log.from(1))
  })

  test('refuses what does not follow, comes from the future, or is not its coordinator to write', async () => {
    const log = await started()
    const next = () => batchAfter(log, buyer, {})
    const spoil = (head: Partial<Batch.Head>, by = buyer) =>
      log.take(
        [Batch.sign(domain, { head: { ...next().head.message, ...head }, entries: [] }, by)],
        nowMs,
      )
    await expect(spoil({ previous: Hex.sha256('x') })).rejects.toThrow('does not follow')
    await expect(spoil({ now: nowMs + 31_000 })).rejects.toThrow('31 seconds ahead')
    await expect(spoil({ now: 5 })).rejects.toThrow('time is before')
    await expect(spoil({ term: 2 })).rejects.toThrow('term is wrong')
    await expect(spoil({}, workers[0])).rejects.toThrow('not its coordinator')
    await expect(spoil({ term: 1 }, workers[0])).rejects.toThrow('not in turn')
    await expect(spoil({ sequence: 9 })).rejects.toThrow('comes before')
    const entries = [join(workers[0]!)]
    await expect(log.take([{ ...next(), entries }], nowMs)).rejects.toThrow(
      'not those that were signed',
    )
    expect(log.head().sequence).toBe(0)
  })

  test('lets the next candidate go on when the coordinator is silent', async () => {
    const log = await started()
    const [first] = candidatesOf(log.state(), 1)
    const person = people.find(({ address }) => address === first)!
    const now = log.head().now + waitMs(log.state(), 1, person.address)!
    await write(log, person, { term: 1, now })
    expect(log.head()).toMatchObject({ term: 1, sequence: 1 })
  })

  test('gives up its branch for one of a higher term, and takes its entries again', async () => {
    const [ours, theirs] = [await started(), await started()]
    await write(ours, buyer, { entries: [] })
    await write(ours, buyer, { entries: [] })
    const person = people.find(({ address }) => address === candidatesOf(theirs.state(), 1)[0])!
    const now = theirs.head().now + waitMs(theirs.state(), 1, person.address)!
    await write(theirs, person, { term: 1, now })
    const { undone } = await ours.take(theirs.from(0), nowMs)
    expect(undone).toBe(2)
    expect(ours.head()).toEqual(theirs.head())
    await expect(theirs.take(ours.from(0), nowMs)).resolves.toEqual({ decisions: [], undone: 0 })
  })

  test('keeps a longer branch of the same term against a shorter one', async () => {
    const [ours, theirs] = [await started(), await started()]
    await write(ours, buyer, {})
    await write(ours, buyer, {})
    await write(theirs, buyer, { now: nowMs })
    await expect(ours.take(theirs.from(0), nowMs)).rejects.toThrow('counts more')
    expect(ours.head().sequence).toBe(2)
  })

  test('refuses an order by a rule that it does not know', async () => {
    const other = TrainingOrder.sign(domain, { ...order.message, rule: 'gossip' }, buyer)
    const opened = openLog({ domain, store: memoryStore() }, { order: other })
    await expect(opened).rejects.toThrow('the rule gossip is not known')
  })

  test('leaves entries without effect that their author did not sign', async () => {
    const log = await openLog({ domain, store: memoryStore() }, { order })
    const forged = join(workers[0]!)
    const signature = join(workers[1]!).signed.signature
    await write(log, buyer, {
      entries: [{ ...forged, signed: { ...forged.signed, signature } } as Entry.Entry],
    })
    expect(log.state().workers).toEqual([])
  })
})

async function started(): Promise<Log> {
  const log = await openLog({ domain, store: memoryStore() }, { order })
  await write(log, buyer, { entries: workers.map((worker) => join(worker)) })
  return log
}

type Options = { entries?: Entry.Entry[]; term?: number; now?: number }

async function write(log: Log, by: Identity.Identity, options: Options): Promise<void> {
  await log.take([batchAfter(log, by, options)], nowMs)
}

function batchAfter(log: Log, by: Identity.Identity, options: Options): Batch.Batch {
  const { entries = [], term = 0, now = log.head().now + 1000 } = options
  const { hash, sequence } = log.head()
  const head = { run: log.run, term, sequence: sequence + 1, previous: hash, now }
  return Batch.sign(domain, { head, entries }, by)
}

function join(worker: Identity.Identity): Entry.Entry {
  const message = {
    run: TrainingOrder.hash(domain, order.message),
    worker: worker.address,
    peer: worker.peerId,
    url: 'https://127.0.0.1:1',
    certificate: Hex.zero,
    graph: order.message.graph,
    data: order.message.data,
    compliance: Hex.sha256('suite'),
    attempt: 0,
  }
  return { kind: 'join', signed: Join.sign(domain, message, worker) }
}
