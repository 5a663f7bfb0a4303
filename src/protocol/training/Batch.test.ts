import { describe, expect, test } from 'vitest'
import * as Identity from '../Identity.ts'
import * as Batch from './Batch.ts'
import type * as Entry from './Entry.ts'
import * as Leave from './Leave.ts'

const domain = { chainId: 1, vault: `0x${'11'.repeat(20)}` } as const
const run = `0x${'22'.repeat(32)}` as const
const worker = Identity.from(new Uint8Array(32).fill(1))
const coordinator = Identity.from(new Uint8Array(32).fill(2))
const leave = (attempt: number): Entry.Entry => ({
  kind: 'leave',
  signed: Leave.sign(domain, { run, worker: worker.address, attempt }, worker),
})
const head = { run, term: 0, sequence: 0, previous: run, now: 5 }

describe('Batch', () => {
  test('comes back from the wire as it was signed', () => {
    const batch = Batch.sign(domain, { head, entries: [leave(0), leave(1)] }, coordinator)
    const again = Batch.deserialize(Batch.serialize(batch))
    expect(again).toEqual(batch)
    expect(Batch.verify(domain, again)).toBe(true)
    expect(Batch.hash(domain, again)).toBe(Batch.hash(domain, batch))
  })

  test('is another when its entries are other ones, or in another order', () => {
    const batch = Batch.sign(domain, { head, entries: [leave(0), leave(1)] }, coordinator)
    expect(Batch.verify(domain, { ...batch, entries: [leave(1), leave(0)] })).toBe(false)
    expect(Batch.verify(domain, { ...batch, entries: [leave(0)] })).toBe(false)
  })

  test('is refused under another signature', () => {
    const batch = Batch.sign(domain, { head, entries: [] }, coordinator)
    const message = { ...batch.head.message, coordinator: worker.address }
    expect(() => Batch.verify(domain, { ...batch, head: { ...batch.head, message } })).toThrow(
      'not signed by the account',
    )
  })

  test('holds a limited number of entries', () => {
    const entries = Array.from({ length: Batch.limit + 1 }, () => leave(0))
    const batch = Batch.sign(domain, { head, entries }, coordinator)
    expect(() => Batch.deserialize(Batch.serialize(batch))).toThrow('entries')
  })
})
