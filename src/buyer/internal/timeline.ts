import * as Exchange from '../../protocol/Exchange.ts'
import type * as Domain from '../../protocol/Domain.ts'
import * as Hex from '../../protocol/Hex.ts'
import type { Identity } from '../../protocol/Identity.ts'
import * as Timelines from '../../protocol/Timeline.ts'
import type * as TimelineEvent from '../../protocol/TimelineEvent.ts'
import type { Network } from '../../network/Network.ts'
import type { Clock } from '../../runtime/Clock.ts'
import type { Background } from './background.ts'

/** Tells the network, signed, what happened to an order, a lease, a job or a payment. */
export type Timeline = { note(entry: Entry): void }

type Entry = {
  readonly subject: 'order' | 'lease' | 'job' | 'payment'
  readonly id: Hex.Hex
  readonly code: TimelineEvent.Code
  readonly detail?: string | undefined
  readonly parent?: Hex.Hex | undefined
}

/** How long events gather before they are signed and told. */
const gatherMs = 100

/** Creates a timeline that publishes in the background; what is more than `limit` behind is not told. */
export function createTimeline(ports: createTimeline.Ports, { limit = 1_000 } = {}): Timeline {
  const { identity, domain, network, clock, background } = ports
  const waiting: TimelineEvent.TimelineEvent[] = []
  let publishing = false

  async function publish(): Promise<void> {
    publishing = true
    try {
      // Signing costs as much as what it tells of: it waits until the answer is out.
      await clock.sleep(gatherMs, { signal: background.signal }).catch(() => {})
      while (waiting.length > 0) {
        const events = waiting.splice(0, Timelines.eventsLimit)
        const signed = Timelines.sign(domain, events, identity)
        await network.publish(Exchange.topics.timeline, Timelines.serialize(signed))
      }
    } finally {
      publishing = false
    }
  }

  return {
    note({ subject, id, code, detail = '', parent = Hex.zero }) {
      if (waiting.length >= limit) return
      const text = detail.slice(0, 500)
      const at = clock.now()
      waiting.push({ by: identity.address, subject, id, code, detail: text, parent, at })
      if (!publishing) background.run('timeline', publish)
    },
  }
}

export declare namespace createTimeline {
  type Ports = {
    identity: Identity
    domain: Domain.Domain
    network: Network
    clock: Clock
    background: Background
  }
}
