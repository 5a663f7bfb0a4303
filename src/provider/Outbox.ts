import type { Network } from '../network/Network.ts'
import * as Exchange from '../protocol/Exchange.ts'
import type * as Domain from '../protocol/Domain.ts'
import * as Hex from '../protocol/Hex.ts'
import type { Identity } from '../protocol/Identity.ts'
import * as TimelineEvent from '../protocol/TimelineEvent.ts'
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
  const waiting: { readonly topic: string; readonly body: () => Uint8Array }[] = []
  let sending: Promise<void> | undefined
  let closed = false
  const closing = Promise.withResolvers<void>()

  async function send(): Promise<void> {
    // Signing costs as much as what it tells of: it waits until the answer is out.
    await Promise.race([clock.sleep(gatherMs), closing.promise])
    for (let next = waiting.shift(); next && !closed; next = waiting.shift())
      try {
        await network.publish(next.topic, next.body())
      } catch (error) {
        logger.debug(
          { topic: next.topic, reason: messageOf(error) },
          'A message was not published.',
        )
      }
    sending = undefined
  }

  function add(topic: string, body: () => Uint8Array): void {
    if (closed) return
    waiting.push({ topic, body })
    if (waiting.length > limit) waiting.shift()
    sending ??= send()
  }

  return {
    publish: (topic, body) => add(topic, () => body),
    note({ subject, id, code, detail = '', parent = Hex.zero }) {
      const at = clock.now()
      const text = detail.slice(0, 500)
      const event = { by: identity.address, subject, id, code, detail: text, parent, at }
      add(Exchange.topics.timeline, () =>
        TimelineEvent.serialize(TimelineEvent.sign(domain, event, identity)),
      )
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
