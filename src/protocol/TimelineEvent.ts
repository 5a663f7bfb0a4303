import type * as z from 'zod/mini'
import { defineStruct, type MessageOf } from './SignedMessage.ts'
import { schemaOf } from './internal/typedData.ts'

/** One dated line in the timeline of an order, a lease, a job or a payment; `Timeline` signs it. */
export type TimelineEvent = MessageOf<typeof types, 'TimelineEvent'>

/** EIP-712 types. */
export const types = {
  TimelineEvent: [
    { name: 'by', type: 'address' },
    /** `order`, `lease`, `job` or `payment`. */
    { name: 'subject', type: 'string' },
    /** Id of the subject: hash of the order, id of the lease, hash of the job. */
    { name: 'id', type: 'bytes32' },
    /** Stable reason code, one of `codes`. */
    { name: 'code', type: 'string' },
    /** A sentence for people; never contents of a job. */
    { name: 'detail', type: 'string' },
    /** The lease of a job, the order of a lease, or zero. */
    { name: 'parent', type: 'bytes32' },
    { name: 'at', type: 'uint48' },
  ],
} as const

/** Every code a timeline may hold. */
export const codes = [
  'order-created',
  'order-bid',
  'order-declined',
  'order-unfilled',
  'lease-signed',
  'lease-open',
  'lease-ready',
  'lease-paused',
  'lease-closing',
  'lease-settled',
  'lease-probe-failed',
  'job-start',
  'job-delivered',
  'job-failed',
  'job-cancelled',
  'job-refunded',
  'payment-signed',
  'payment-withheld',
  'payment-claimed',
] as const
export type Code = (typeof codes)[number]

/** Parses an event. */
export const schema = schemaOf(types, 'TimelineEvent') as unknown as z.ZodMiniType<TimelineEvent>

/** The EIP-712 digest: the event's id. */
export const { hash } = defineStruct({ types, name: 'TimelineEvent' })
