import { describe, expect, test } from 'vitest'
import { wordModel } from '../../test/engines.ts'
import { identityOf } from '../../test/smallMarket.ts'
import { memoryNetwork } from '../network/memory.ts'
import * as Exchange from '../protocol/Exchange.ts'
import * as Hex from '../protocol/Hex.ts'
import * as Offer from '../protocol/Offer.ts'
import { seededRandom } from '../runtime/seededRandom.ts'
import { virtualClock } from '../runtime/virtualClock.ts'
import { availableModels, openOfferBook } from './offerBook.ts'

const domain = { chainId: 1, vault: `0x${'aa'.repeat(20)}` } as const

function offerOf(number: number, facts: Partial<Offer.Offer> = {}): Offer.Offer {
  const { address, peerId } = identityOf(number)
  const { id, weights, quantisation, build, contextTokens, tiers } = wordModel
  return {
    provider: address,
    peerId,
    addresses: [],
    bulkUrl: '',
    bulkCertificate: Hex.zero,
    models: [
      {
        id,
        weights,
        quantisation,
        engine: build,
        contextTokens,
        tiers,
        inputMicroUsdPerMillion: 10n,
        outputMicroUsdPerMillion: 20n,
      },
    ],
    hardware: { cpu: '', cores: 1, memoryBytes: 0n, diskBytes: 0n, gpus: [] },
    region: '',
    concurrency: 1,
    watts: 0,
    issuedAt: now,
    expiresAt: now + 20_000,
    ...facts,
  }
}
const now = 1_700_000_000_000

function open(options: openOfferBook.Options = {}) {
  const clock = virtualClock({ start: now })
  const network = memoryNetwork({ clock, random: seededRandom(1) })
  const heard: Offer.Offer[] = []
  const onOffer = (offer: Offer.Offer) => void heard.push(offer)
  const ports = { network: network.join(identityOf(9).peerId), clock, domain, onOffer }
  const book = openOfferBook(ports, options)
  const peer = network.join('peer')
  const say = async (offer: Offer.Offer, signer = identityOf(1)) => {
    await peer.publish(Exchange.topics.offers, Offer.serialize(Offer.sign(domain, offer, signer)))
    await clock.run(clock.now())
  }
  return { clock, book, heard, peer, say }
}

describe('openOfferBook', () => {
  test('keeps the newest offer of a provider until it expires', async () => {
    const { clock, book, heard, say } = open()
    await say(offerOf(1))
    await say(offerOf(1, { issuedAt: now + 1, region: 'north' }))
    await say(offerOf(1, { region: 'old' }))
    expect(book.current()).toMatchObject([{ region: 'north' }])
    expect(heard.length).toBe(2)
    await clock.run(now + 20_000)
    expect(book.current()).toEqual([])
    expect(book.of(identityOf(1).address)).toBeUndefined()
  })

  test.each([
    ['signed by another', offerOf(2)],
    ['expired', offerOf(1, { expiresAt: now })],
    ['from the future', offerOf(1, { issuedAt: now + 30_001 })],
    ['valid for ever', offerOf(1, { expiresAt: now + 3_600_001 })],
    ['with another’s peer id', offerOf(1, { peerId: identityOf(2).peerId })],
    ['with no peer id', offerOf(1, { peerId: 'nobody' })],
  ])('does not keep an offer that is %s', async (_, offer) => {
    const { book, heard, say } = open()
    await say(offer)
    expect([book.current(), heard]).toEqual([[], []])
  })

  test('survives bytes that are no offer', async () => {
    const { clock, book, peer, say } = open()
    await peer.publish(Exchange.topics.offers, new TextEncoder().encode('{"message":{}}'))
    await peer.publish(Exchange.topics.offers, new Uint8Array(1000).fill(255))
    await clock.run(clock.now())
    await say(offerOf(1))
    expect(book.current().length).toBe(1)
  })

  test('has a limit, and makes room when offers expire', async () => {
    const { clock, book, say } = open({ providersLimit: 2 })
    for (const number of [1, 2, 3]) await say(offerOf(number), identityOf(number))
    expect(book.current().length).toBe(2)
    await clock.run(now + 20_000)
    const later = { issuedAt: clock.now(), expiresAt: clock.now() + 1_000 }
    await say(offerOf(3, later), identityOf(3))
    expect(book.current()).toMatchObject([{ provider: identityOf(3).address }])
  })
})

describe('availableModels', () => {
  test('groups by name and weights, cheapest provider first, with the lowest of each price', () => {
    const [model] = offerOf(1).models
    const models = availableModels([
      offerOf(1, { models: [{ ...model!, outputMicroUsdPerMillion: 50n }] }),
      offerOf(2, { models: [{ ...model!, inputMicroUsdPerMillion: 11n, tiers: ['exact'] }] }),
      offerOf(3, { models: [{ ...model!, weights: Hex.zero }] }),
    ])
    expect(models.length).toBe(2)
    expect(models.find(({ weights }) => weights !== Hex.zero)).toMatchObject({
      providers: [identityOf(2).address, identityOf(1).address],
      tiers: ['exact', 'statistical', 'unverified'],
      inputMicroUsdPerMillion: 10n,
      outputMicroUsdPerMillion: 20n,
    })
  })
})
