import * as z from 'zod/mini'
import * as Assurance from '../../protocol/Assurance.ts'
import * as Bid from '../../protocol/Bid.ts'
import * as Completion from '../../protocol/Completion.ts'
import * as ExactClaim from '../../protocol/ExactClaim.ts'
import * as Exchange from '../../protocol/Exchange.ts'
import type * as Hex from '../../protocol/Hex.ts'
import * as Lease from '../../protocol/Lease.ts'
import * as Receipt from '../../protocol/Receipt.ts'
import * as Voucher from '../../protocol/Voucher.ts'

/** What the journal keeps of a lease. */
export type LeaseRow = z.infer<typeof leaseRow>

/** What the journal keeps of a job. */
export type JobRow = z.infer<typeof jobRow>

/** What the journal keeps of a provider. */
export type ProviderRow = z.infer<typeof providerRow>

const hash = z
  .string()
  .check(z.regex(/^0x([0-9a-f]{40}|[0-9a-f]{64})$/)) as unknown as z.ZodMiniType<Hex.Hex>
const amount = z.pipe(
  z.string().check(z.regex(/^[0-9]{1,30}$/)),
  z.transform((digits) => BigInt(digits)),
)

export const leaseRow = z.strictObject({
  lease: Lease.schema,
  bid: Bid.schema,
  /** Hash of the order that the bid answers. */
  order: hash,
  /** What jobs in it are paid: the bid's prices, or higher ones when the auction paid the second price. */
  prices: z.strictObject({ inputMicroUsdPerMillion: amount, outputMicroUsdPerMillion: amount }),
  peerId: z.string(),
  addresses: z.array(z.string()).check(z.maxLength(16)),
  /** `signed`: given out, not yet known to be on the chain. */
  state: z.enum(['signed', 'open', 'ready', 'paused', 'closing', 'settled']),
  /** The total that the provider has confirmed to be on the chain. */
  confirmedMicroUsd: amount,
  /** Whether we have ever told the provider that the meter may run. */
  readied: z.boolean(),
  /** The highest voucher signed. */
  voucher: z.optional(Voucher.schema),
  /** What the provider has not acknowledged yet. */
  unsent: z.strictObject({
    paid: z.array(hash),
    refused: z.array(z.strictObject({ job: hash, reason: Exchange.reason })),
  }),
  createdAt: z.number(),
})

export const jobRow = z.strictObject({
  job: hash,
  lease: hash,
  provider: hash,
  model: z.string(),
  state: z.enum(['running', 'delivered', 'paid', 'refunded', 'failed']),
  assurance: z.strictObject({
    tier: z.enum(Assurance.tiers),
    state: z.enum(['pending', 'verified', 'challenged', 'final']),
    method: z.optional(z.string()),
  }),
  usage: Completion.usage,
  priceMicroUsd: amount,
  receiptId: hash,
  reason: z.optional(z.string()),
  createdAt: z.number(),
  /** When the receipt was found right; the wait for a verdict counts from here. */
  deliveredAt: z.optional(z.number()),
  receipt: z.optional(Receipt.schema),
  /** What the provider answers for, when the tier is `exact`. */
  claim: z.optional(ExactClaim.schema),
})

export const providerRow = z.strictObject({
  good: z.number(),
  bad: z.number(),
  asOfMs: z.number(),
  /** Why this provider is never used again, if so. */
  excluded: z.optional(Exchange.reason),
})
