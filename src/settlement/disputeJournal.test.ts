import { describe, expect, test } from 'vitest'
import { identityOf } from '../../test/providerWorld.ts'
import * as ExactClaim from '../protocol/ExactClaim.ts'
import * as Hex from '../protocol/Hex.ts'
import { memoryStore } from '../runtime/memoryStore.ts'
import {
  dropOurs,
  dropWanted,
  noteCursor,
  noteOurs,
  noteWanted,
  openDisputeJournal,
  type Ours,
} from './disputeJournal.ts'

const domain = { chainId: 31_337, vault: `0x${'a1'.repeat(20)}` } as const
const ours: Ours = {
  id: Hex.sha256('dispute'),
  key: { claim: Hex.sha256('claim'), challenger: `0x${'c1'.repeat(20)}` },
  role: 'challenger',
  block: 2n ** 60n,
  played: true,
  done: false,
}
const signed = ExactClaim.sign(
  domain,
  {
    claimant: identityOf('claimant').address,
    job: Hex.zero,
    graph: Hex.zero,
    graphCid: Hex.zero,
    start: Hex.zero,
    end: Hex.zero,
    data: Hex.zero,
    seed0: 1,
    seed1: 2,
    worker: 0,
    steps: 3,
    run: Hex.zero,
    bond: 2n ** 80n,
    challengeUntil: 2_000_000_000,
  },
  identityOf('claimant'),
)

describe('openDisputeJournal', () => {
  test('reads back what was noted, and forgets what was dropped', async () => {
    const journal = openDisputeJournal(memoryStore())
    expect(await journal.cursor()).toBeUndefined()
    await journal.write([noteOurs(ours), noteCursor(7n), noteWanted(Hex.sha256('claim'), signed)])
    expect(await journal.ours()).toEqual([ours])
    expect(await journal.cursor()).toBe(7n)
    expect(await journal.wanted()).toEqual([signed])
    await journal.write([dropOurs(ours.id), dropWanted(Hex.sha256('claim'))])
    expect([...(await journal.ours()), ...(await journal.wanted())]).toEqual([])
  })

  test('reads more than a page', async () => {
    const journal = openDisputeJournal(memoryStore())
    const many = Array.from({ length: 1_203 }, (_, at) => ({ ...ours, id: Hex.sha256(`${at}`) }))
    await journal.write(many.map(noteOurs))
    expect(await journal.ours()).toHaveLength(1_203)
  })

  test('says that a row is broken', async () => {
    const store = memoryStore()
    await store.write([{ table: 'disputes-ours', key: ours.id, value: '{"role":"judge"}' }])
    await expect(openDisputeJournal(store).ours()).rejects.toMatchObject({
      code: 'Protocol.MalformedError',
    })
  })
})
