import { hashTypedData } from 'viem'
import { describe, expect, test } from 'vitest'
import * as Hex from './Hex.ts'
import * as Identity from './Identity.ts'
import * as Timeline from './Timeline.ts'
import * as TimelineEvent from './TimelineEvent.ts'

const domain = { chainId: 31337, vault: `0x${'5f'.repeat(20)}` } as const
const signer = Identity.from(new Uint8Array(32).fill(7))
const stranger = Identity.from(new Uint8Array(32).fill(8))

function event(changes: Partial<TimelineEvent.TimelineEvent> = {}): TimelineEvent.TimelineEvent {
  const id: Hex.Hex = `0x${'ab'.repeat(32)}`
  const shared = { detail: '', parent: Hex.zero, at: 1_760_000_000_000 }
  return { by: signer.address, subject: 'job', id, code: 'job-start', ...shared, ...changes }
}
const events = [event(), event({ code: 'job-delivered', detail: '16 tokens' })]

describe('sign', () => {
  test('signs the list of ids as EIP-712 says, the same as viem', () => {
    const { signature } = Timeline.sign(domain, events, signer)
    const [{ statement, id }] = Timeline.verify(domain, { events, signature }) as [Timeline.Line]
    const typed = { name: 'Weft', version: '1', chainId: 31337, verifyingContract: domain.vault }
    const theirs = hashTypedData({
      domain: typed,
      types: TimelineEvent.types,
      primaryType: 'TimelineEvent',
      message: events[0]!,
    } as never)
    expect(id).toBe(theirs)
    expect(statement.message).toEqual({
      by: signer.address,
      events: events.map((each) => TimelineEvent.hash(domain, each)),
    })
  })
})

describe('serialize', () => {
  test('keeps the longest timeline within what may be gossiped', () => {
    const longest = event({ detail: '€'.repeat(500), code: 'lease-probe-failed' })
    const many = Array.from({ length: Timeline.eventsLimit }, () => longest)
    const bytes = Timeline.serialize(Timeline.sign(domain, many, signer))
    expect(bytes.byteLength).toBeLessThan(64 * 1024)
    expect(Timeline.verify(domain, Timeline.deserialize(bytes)).length).toBe(many.length)
  })
})

describe('deserialize', () => {
  test('gives back what was signed', () => {
    const timeline = Timeline.sign(domain, events, signer)
    expect(Timeline.deserialize(Timeline.serialize(timeline))).toEqual(timeline)
  })

  test('refuses no events, too many, and other words', () => {
    const { signature } = Timeline.sign(domain, events, signer)
    const many = Array.from({ length: Timeline.eventsLimit + 1 }, () => event())
    for (const wrong of [[], many, [{ ...event(), more: 1 }], [{ ...event(), by: 'me' }]]) {
      const bytes = new TextEncoder().encode(JSON.stringify({ events: wrong, signature }))
      expect(() => Timeline.deserialize(bytes)).toThrow('not a valid Timeline')
    }
  })
})

describe('verify', () => {
  const timeline = Timeline.sign(domain, events, signer)

  test('gives every event its id and the statement that holds it', () => {
    const lines = Timeline.verify(domain, timeline)
    expect(lines.map((line) => line.event)).toEqual(events)
    for (const { id, statement } of lines) expect(statement.message.events).toContain(id)
  })

  test('refuses another network, another signer, and any change', () => {
    const refused = (changed: Timeline.Timeline, where: typeof domain | object = domain) =>
      expect(() => Timeline.verify(where as typeof domain, changed)).toThrow('not signed')
    refused(timeline, { ...domain, chainId: 1 })
    refused(Timeline.sign(domain, events, stranger))
    refused({ ...timeline, events: events.slice(1) })
    refused({ ...timeline, events: events.toReversed() })
    refused({ ...timeline, events: [events[0]!, event({ code: 'job-failed' })] })
    refused({ ...timeline, events: [] })
  })

  test('refuses events that another party is said to have seen', () => {
    const mixed = [event(), event({ by: stranger.address })]
    expect(() => Timeline.verify(domain, Timeline.sign(domain, mixed, signer))).toThrow(
      'not signed',
    )
  })
})
