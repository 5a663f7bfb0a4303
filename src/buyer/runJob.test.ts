import { describe, expect, test } from 'vitest'
import { wordRequest } from '../../test/engines.ts'
import { smallMarket } from '../../test/smallMarket.ts'
import * as Exchange from '../protocol/Exchange.ts'
import * as Hex from '../protocol/Hex.ts'
import * as Json from '../protocol/Json.ts'
import type { Network } from '../network/Network.ts'

type Twist = (events: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>

/** A network on which whatever is answered to jobs goes through `twist`. */
function relayed(network: Network, twist: Twist): Network {
  let jobs = 0
  return {
    ...network,
    request(to, protocol, body, options) {
      const replies = network.request(to, protocol, body, options)
      // The first job is the probe.
      return protocol === Exchange.protocols.job && jobs++ > 0 ? twist(replies) : replies
    },
  }
}

async function* changed(
  events: AsyncIterable<Uint8Array>,
  change: (event: Exchange.JobEvent) => unknown,
): AsyncGenerator<Uint8Array> {
  for await (const bytes of events) {
    const event = Json.decode(Exchange.jobEvent, bytes, { what: 'JobEvent' })
    yield Json.toBytes(change(event))
  }
}

/** The reason code of a job whose answer was twisted; that it costs nothing is checked here. */
async function failureOf(twist: Twist): Promise<string | undefined> {
  const market = smallMarket()
  await market.provider(1)
  const buyer = await market.buyer({ network: (network) => relayed(network, twist) })
  const run = async () => {
    for await (const event of buyer.complete(wordRequest())) void event
  }
  await market.drive(run().catch(() => {}))
  const [record] = await market.drive(buyer.jobs())
  expect(record).toMatchObject({ state: 'failed', priceMicroUsd: 0n })
  expect(await market.drive(buyer.balance())).toMatchObject({ spentMicroUsd: 0n })
  return record?.reason
}

describe('runJob', () => {
  test('refuses bytes that are no event', async () => {
    const garbage = async function* () {
      yield new Uint8Array([255, 0, 1])
    }
    expect(await failureOf(garbage)).toBe('Protocol.MalformedError')
  })

  test('refuses an event of no known kind', async () => {
    expect(await failureOf((events) => changed(events, () => ({ type: 'job-gift' })))).toBe(
      'Protocol.MalformedError',
    )
  })

  test('refuses the start of another job', async () => {
    const other = { type: 'job-start', job: Hex.zero }
    expect(await failureOf((events) => changed(events, () => other))).toBe('Job.OtherStarted')
  })

  test('stops a provider that sends more tokens than were asked for', async () => {
    const flood = async function* () {
      for (;;)
        yield Json.toBytes({ type: 'job-delta', delta: { text: 'more ', tokenIds: [1, 2, 3] } })
    }
    expect(await failureOf(flood)).toBe('Job.TooManyTokens')
  })

  test('stops a provider that sends text without end', async () => {
    const flood = async function* () {
      for (;;)
        yield Json.toBytes({ type: 'job-delta', delta: { text: 'x'.repeat(999), tokenIds: [] } })
    }
    expect(await failureOf(flood)).toBe('Job.TooMuchText')
  })

  test('refuses a receipt for words that did not come', async () => {
    const swallow = async function* (events: AsyncIterable<Uint8Array>) {
      let deltas = 0
      for await (const bytes of events) {
        const event = Json.decode(Exchange.jobEvent, bytes, { what: 'JobEvent' })
        if (event.type === 'job-delta' && deltas++ === 0) continue
        yield bytes
      }
    }
    expect(await failureOf(swallow)).toBe('Receipt.OutputDiffers')
  })

  test('refuses a receipt that was changed on the way', async () => {
    const dearer = (event: Exchange.JobEvent) =>
      event.type === 'job-end'
        ? {
            ...event,
            receipt: {
              ...event.receipt,
              message: { ...event.receipt.message, priceMicroUsd: 1n },
            },
          }
        : event
    expect(await failureOf((events) => changed(events, dearer))).toBe('Receipt.NotSigned')
  })

  test('does not take silence for an end', async () => {
    const endless = async function* (events: AsyncIterable<Uint8Array>) {
      for await (const bytes of events) {
        const event = Json.decode(Exchange.jobEvent, bytes, { what: 'JobEvent' })
        if (event.type !== 'job-end') yield bytes
      }
    }
    expect(await failureOf(endless)).toBe('Network.NoReplyError')
  })
})
