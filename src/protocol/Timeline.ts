import * as z from 'zod/mini'
import type { Domain } from './Domain.ts'
import * as Hex from './Hex.ts'
import type { Identity } from './Identity.ts'
import * as Json from './Json.ts'
import { define, SignatureError, type MessageOf, type Signed } from './SignedMessage.ts'
import * as TimelineEvent from './TimelineEvent.ts'

/**
 * Several events that one party saw, under one signature: signing each would cost more than most of what
 * they tell of.
 */
export type Timeline = {
  readonly events: readonly TimelineEvent.TimelineEvent[]
  readonly signature: Hex.Hex
}

/** What is signed: who, and the ids of the events. */
export type Statement = MessageOf<typeof types, 'Timeline'>

/** One event of a timeline, with all that is needed to check it without the others. */
export type Line = {
  readonly id: Hex.Hex
  readonly event: TimelineEvent.TimelineEvent
  /** Its list holds `id`. */
  readonly statement: Signed<Statement>
}

/** EIP-712 types. */
export const types = {
  Timeline: [
    { name: 'by', type: 'address' },
    { name: 'events', type: 'bytes32[]' },
  ],
} as const

/** Events in one timeline; with the longest details they are still one gossiped message. */
export const eventsLimit = 24

const statements = define({ types, name: 'Timeline', signer: 'by' })

const schema = z.strictObject({
  events: z.array(TimelineEvent.schema).check(z.minLength(1), z.maxLength(eventsLimit)),
  signature: z.string().check(z.regex(/^0x[0-9a-f]{130}$/)),
}) as unknown as z.ZodMiniType<Timeline>

/** Signs events; there must be some, at most `eventsLimit`, all by the signer. */
export function sign(
  domain: Domain,
  events: readonly TimelineEvent.TimelineEvent[],
  signer: Identity,
): Timeline {
  const ids = events.map((event) => TimelineEvent.hash(domain, event))
  const { signature } = statements.sign(domain, { by: signer.address, events: ids }, signer)
  return { events, signature }
}

export function serialize(timeline: Timeline): Uint8Array {
  return Json.toBytes(timeline)
}

/** @throws {Json.MalformedError} when the bytes are not a timeline. */
export function deserialize(bytes: Uint8Array): Timeline {
  return Json.decode(schema, bytes, { what: 'Timeline' })
}

/**
 * The events of a timeline, when the account that all of them name has signed it.
 *
 * @throws {SignatureError} when it has not.
 */
export function verify(domain: Domain, { events, signature }: Timeline): readonly Line[] {
  const by = events[0]?.by
  if (by === undefined || events.some((event) => event.by !== by))
    throw new SignatureError({ what: 'Timeline', signer: by ?? Hex.zero })
  const ids = events.map((event) => TimelineEvent.hash(domain, event))
  const statement = { message: { by, events: ids }, signature }
  statements.verify(domain, statement)
  return events.map((event, index) => ({ id: ids[index]!, event, statement }))
}
