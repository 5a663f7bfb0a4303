import type { Network } from '../network/Network.ts'
import * as Exchange from '../protocol/Exchange.ts'
import type * as Domain from '../protocol/Domain.ts'
import * as Hex from '../protocol/Hex.ts'
import type { Identity } from '../protocol/Identity.ts'
import * as Timeline from '../protocol/Timeline.ts'
import type * as TimelineEvent from '../protocol/TimelineEvent.ts'
import type { Clock } from '../runtime/Clock.ts'
import { messageOf } from '../runtime/Errors.ts'
import type { Logger } from '../runtime/Logger.ts'

/** What waits to be told to the network, in order. Work never waits for it. */
export type Outbox = AsyncDisposable & {
  publish(topic: string, body: Uint8Array): void
  /** Tells, signed, what happened to an order, a lease, a job or a payment. */
  note(entry: Entry): void
}

export type Entry = {
  readonly subject: 'order' | 'lease' | 'job' | 'payment'
  readonly id: Hex.Hex
  readonly code: TimelineEvent.Code
  /** A sentence; never contents of a job. */
  readonly detail?: string | undefined
  readonly parent?: Hex.Hex | undefined
}

/** How long messages gather before they are signed and told. */
const gatherMs = 100

/** Creates an outbox. When more than `limit` messages wait, the oldest are dropped: gossip is best effort. */
export function createOutbox(ports: createOutbox.Ports, { limit = 2_000 } = {}): Outbox {
  const { identity, domain, network, clock, logger } = ports
  const bodies: { readonly topic: string; readonly body: Uint8Array }[] = []
  const events: TimelineEvent.TimelineEvent[] = []
  let sending: Promise<void> | undefined
  let closed = false
  const closing = Promise.withResolvers<void>()

  async function send(): Promise<void> {
    // Signing costs as much as what it tells of: it waits until the answer is out.
    await Promise.race([clock.sleep(gatherMs), closing.promise])
    for (let next = take(); next && !closed; next = take()) await tell(next)
    sending = undefined
  }

  /** The next message: bodies as they came, then events, many under one signature. */
  function take() {
    const body = bodies.shift()
    if (body || events.length === 0) return body
    const timeline = Timeline.sign(domain, events.splice(0, Timeline.eventsLimit), identity)
    return { topic: Exchange.topics.timeline, body: Timeline.serialize(timeline) }
  }

  async function tell({ topic, body }: { topic: string; body: Uint8Array }): Promise<void> {
    try {
      await network.publish(topic, body)
    } catch (error) {
      logger.debug({ topic, reason: messageOf(error) }, 'A message was not published.')
    }
  }

  function add<item>(queue: item[], item: item): void {
    if (closed) return
    queue.push(item)
    if (queue.length > limit) queue.shift()
    sending ??= send()
  }

  return {
    publish: (topic, body) => add(bodies, { topic, body }),
    note({ subject, id, code, detail = '', parent = Hex.zero }) {
      const at = clock.now()
      const text = detail.slice(0, 500)
      add(events, { by: identity.address, subject, id, code, detail: text, parent, at })
    },
    async [Symbol.asyncDispose]() {
      closed = true
      closing.resolve()
      await sending
    },
  }
}

export declare namespace createOutbox {
  type Ports = {
    identity: Identity
    domain: Domain.Domain
    network: Network
    clock: Clock
    logger: Logger
  }
}
