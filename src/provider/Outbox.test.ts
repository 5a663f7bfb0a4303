import { describe, expect, test } from 'vitest'
import { identityOf, providerWorld } from '../../test/providerWorld.ts'
import type { Network } from '../network/Network.ts'
import * as Exchange from '../protocol/Exchange.ts'
import * as Hex from '../protocol/Hex.ts'
import * as Timeline from '../protocol/Timeline.ts'
import type * as TimelineEvent from '../protocol/TimelineEvent.ts'
import { silentLogger } from '../runtime/silentLogger.ts'
import { createOutbox } from './Outbox.ts'

const identity = identityOf('provider')

describe('createOutbox', () => {
  test('publishes in order, and signs what it notes', async () => {
    const world = providerWorld()
    await using outbox = create(world)
    const heard: TimelineEvent.TimelineEvent[] = []
    world.network
      .join(identityOf('listener').peerId)
      .subscribe(Exchange.topics.timeline, (body) => {
        const lines = Timeline.verify(world.chain.domain, Timeline.deserialize(body))
        heard.push(...lines.map(({ event }) => event))
      })
    outbox.note({ subject: 'job', id: Hex.zero, code: 'job-start' })
    outbox.note({ subject: 'job', id: Hex.zero, code: 'job-delivered', detail: 'x'.repeat(999) })
    await world.advance(200)
    expect(heard.map(({ code }) => code)).toEqual(['job-start', 'job-delivered'])
    expect(heard[1]).toMatchObject({ by: identity.address, detail: 'x'.repeat(500) })
  })

  test('drops the oldest when too many wait, and goes on when publishing fails', async () => {
    const world = providerWorld()
    const sent: number[] = []
    const network: Network = {
      ...world.network.join(identity.peerId),
      async publish(_, body) {
        if (body[0] === 7) throw new Error('no')
        sent.push(body[0]!)
      },
    }
    await using outbox = create(world, network, 4)
    for (let number = 0; number < 10; number++) outbox.publish('topic', Uint8Array.of(number))
    await world.advance(200)
    expect(sent).toEqual([6, 8, 9])
  })

  test('publishes nothing more once it is closed', async () => {
    const world = providerWorld()
    const sent: number[] = []
    const network: Network = {
      ...world.network.join(identity.peerId),
      publish: async (_, body) => void sent.push(body[0]!),
    }
    const outbox = create(world, network)
    outbox.publish('topic', Uint8Array.of(1))
    await outbox[Symbol.asyncDispose]()
    outbox.publish('topic', Uint8Array.of(2))
    await world.advance(200)
    expect(sent).not.toContain(2)
  })
})

function create(
  world: ReturnType<typeof providerWorld>,
  network = world.network.join(identity.peerId),
  limit = 100,
) {
  const { clock } = world
  const { domain } = world.chain
  return createOutbox({ identity, domain, network, clock, logger: silentLogger() }, { limit })
}
