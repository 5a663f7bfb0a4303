/**
 * Which requests peers make of each other, and the bodies that are not signed messages themselves.
 * The network proves who sent a request, so a body is signed only where someone else must believe it later.
 *
 *     buyer -> provider   order     Signed<Order>    ->  OrderReply
 *     buyer -> provider   lease     Signed<Lease>    ->  LeaseReply, once the reservation is on the chain
 *     buyer -> provider   job       JobRequest       ->  JobEvent ... JobEvent (the last one is `job-end`)
 *     buyer -> provider   ready     LeaseNotice      ->  {}: a probe passed, the meter runs
 *     buyer -> provider   pause     LeaseNotice      ->  {}: a job failed, the meter stands until `ready`
 *     buyer -> provider   payment   Payment          ->  {}
 *     buyer -> provider   close     LeaseNotice      ->  {}: claim what is owed, then release the rest
 *     validator -> provider  evidence  EvidenceRequest -> Evidence
 *     challenger -> claimant  dispute  a move of a dispute -> the answer to it (`verification/dispute/`)
 */
import * as z from 'zod/mini'
import * as Bid from './Bid.ts'
import * as Completion from './Completion.ts'
import * as ExactClaim from './ExactClaim.ts'
import * as Job from './Job.ts'
import * as Receipt from './Receipt.ts'
import * as Voucher from './Voucher.ts'

/** Names of the request protocols. */
export const protocols = {
  order: '/weft/order/1',
  lease: '/weft/lease/1',
  job: '/weft/job/1',
  ready: '/weft/ready/1',
  pause: '/weft/pause/1',
  payment: '/weft/payment/1',
  close: '/weft/close/1',
  evidence: '/weft/evidence/1',
  dispute: '/weft/dispute/1',
} as const

/** Names of the gossip topics; each carries one kind of signed message. */
export const topics = {
  offers: 'weft/offers/1',
  receipts: 'weft/receipts/1',
  verdicts: 'weft/verdicts/1',
  timeline: 'weft/timeline/1',
} as const

const hash = z
  .string()
  .check(z.regex(/^0x[0-9a-f]{64}$/)) as unknown as z.ZodMiniType<`0x${string}`>
const short = z.string().check(z.maxLength(1024))

/** Why something was not done: a stable code and a sentence. */
export const reason = z.strictObject({ code: short, message: short })
export type Reason = z.infer<typeof reason>

export const orderReply = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('bid'), bid: Bid.schema }),
  z.strictObject({
    type: z.literal('declined'),
    /** Every dimension on which the order and the offer do not meet. */
    reasons: z.array(reason).check(z.minLength(1), z.maxLength(32)),
  }),
])
export type OrderReply = z.infer<typeof orderReply>

export const leaseReply = z.strictObject({ lease: hash, transaction: hash })
export type LeaseReply = z.infer<typeof leaseReply>

/** A job before the lease is `ready` is a probe: the same request, price zero, a few tokens. */
export const jobRequest = z.strictObject({ job: Job.schema, request: Completion.request })
export type JobRequest = z.infer<typeof jobRequest>

export const jobEvent = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('job-start'), job: hash }),
  z.strictObject({ type: z.literal('job-delta'), delta: Completion.delta }),
  z.strictObject({
    type: z.literal('job-end'),
    finishReason: Completion.output.shape.finishReason,
    receipt: Receipt.schema,
    /** For a job of tier `exact`: what the provider answers for with a bond. */
    claim: z.optional(ExactClaim.schema),
  }),
])
export type JobEvent = z.infer<typeof jobEvent>

export const leaseNotice = z.strictObject({ lease: hash })
export type LeaseNotice = z.infer<typeof leaseNotice>

/** Pays for jobs up to now. The voucher counts every job of the lease in `paid` so far. */
export const payment = z.strictObject({
  voucher: Voucher.schema,
  /** Jobs that this voucher pays for and earlier ones did not. */
  paid: z.array(hash).check(z.maxLength(1024)),
  /** Jobs that will not be paid, and why. */
  refused: z.array(z.strictObject({ job: hash, reason })).check(z.maxLength(1024)),
})
export type Payment = z.infer<typeof payment>

export const evidenceRequest = z.strictObject({ job: hash })
export type EvidenceRequest = z.infer<typeof evidenceRequest>

/** All that is needed to check a receipt. */
export const evidence = z.strictObject({
  job: Job.schema,
  request: Completion.request,
  output: Completion.output,
  receipt: Receipt.schema,
  claim: z.optional(ExactClaim.schema),
})
export type Evidence = z.infer<typeof evidence>
