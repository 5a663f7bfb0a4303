/**
 * What the explorer answers and what it accepts: the types of every JSON body and the schemas of every
 * query. The page imports the types, the server parses with the schemas. Amounts are decimal strings of
 * micro-USD (JSON has no large integers), times are milliseconds since the epoch.
 */
import * as z from 'zod/mini'
import type { EndedBy } from '../chain/Chain.ts'
import type * as Assurance from '../protocol/Assurance.ts'
import type { Opening } from '../protocol/dispute/Move.ts'
import type { Party, Phase } from '../protocol/dispute/Position.ts'
import type * as Hex from '../protocol/Hex.ts'
import type * as Offer from '../protocol/Offer.ts'
import type * as Verdict from '../protocol/Verdict.ts'

export type * from './TrainingApi.ts'

/** Micro-USD as a decimal string. */
export type Amount = string

/** `GET /api/network`: the whole network in one glance. */
export type Network = {
  readonly chainId: number
  readonly vault: Hex.Address
  readonly chain: ChainStatus
  readonly providers: { readonly online: number; readonly known: number }
  readonly jobs: {
    readonly delivered: number
    readonly running: number
    readonly failed: number
    readonly probes: number
  }
  readonly checks: Checks
  readonly tokens: { readonly input: number; readonly output: number }
  readonly leases: { readonly open: number; readonly settled: number }
  readonly disputes: Disputes
  readonly money: Totals
  readonly conservation: Conservation | null
}

/** Disputes by how they stand. */
export type Disputes = {
  readonly open: number
  /** The claim was proven wrong, conceded, or not defended in time. */
  readonly convicted: number
  /** The claim held. */
  readonly upheld: number
}

export type ChainStatus = {
  /** `starting` until the first look succeeded. */
  readonly state: 'starting' | 'live' | 'unreachable'
  readonly block: number | null
  readonly at: number | null
}

/** Findings of trusted validators on paid jobs. */
export type Checks = {
  readonly verified: number
  readonly rejected: number
  readonly unavailable: number
  /** Delivered in a tier that can be checked, neither a verdict nor a payment yet. */
  readonly pending: number
}

/** Sums over the whole life of the vault, from its events. */
export type Totals = {
  readonly deposited: Amount
  /** Held by open leases now. */
  readonly reserved: Amount
  /** Deposited and not reserved, not withdrawn. */
  readonly free: Amount
  /** Redeemed by providers so far. */
  readonly claimed: Amount
  /** Claimed and not yet withdrawn by providers. */
  readonly earned: Amount
  readonly withdrawnByBuyers: Amount
  readonly withdrawnByProviders: Amount
  /** Unused reservations given back to buyers. */
  readonly refunded: Amount
}

/** Does the vault hold exactly what its books say it owes? Both sides taken at the same block. */
export type Conservation = {
  readonly block: number
  readonly at: number
  /** Tokens that the vault holds. */
  readonly balance: Amount
  /** Free + reserved + earned. */
  readonly expected: Amount
  /** Balance less expected; someone may send tokens to the vault unasked, so it can be positive. */
  readonly difference: Amount
  /** Nothing is missing. */
  readonly conserved: boolean
}

export type Provider = {
  readonly address: Hex.Address
  readonly peerId: string | null
  readonly online: boolean
  /** On the chain, with stake. */
  readonly registered: boolean
  readonly stake: Amount
  readonly claimed: Amount
  readonly earned: Amount
  readonly region: string | null
  readonly hardware: Hardware | null
  readonly models: readonly Model[]
  readonly concurrency: number | null
  readonly watts: number | null
  readonly offerExpiresAt: number | null
  readonly uptime: Uptime
  readonly jobs: number
  readonly failed: number
  readonly checks: Checks
}

/** Minutes with an offer among the minutes this explorer listened, in the last 24 hours. */
export type Uptime = { readonly share: number | null; readonly minutes: number }

export type Hardware = Omit<Offer.Hardware, 'memoryBytes' | 'diskBytes' | 'gpus'> & {
  readonly memoryBytes: number
  readonly diskBytes: number
  readonly gpus: readonly {
    readonly name: string
    readonly memoryBytes: number
    readonly driver: string
  }[]
}

export type Model = Omit<Offer.Model, 'inputMicroUsdPerMillion' | 'outputMicroUsdPerMillion'> & {
  readonly inputMicroUsdPerMillion: Amount
  readonly outputMicroUsdPerMillion: Amount
}

/** `GET /api/providers/:address`. */
export type ProviderDetail = {
  readonly provider: Provider
  readonly offer: SignedDocument | null
  readonly jobs: readonly Job[]
  readonly leases: readonly Lease[]
  /** About its claims, or by it. */
  readonly disputes: readonly Dispute[]
}

export type Job = {
  readonly id: Hex.Hex
  /** When it ended, or the last that was heard of it. */
  readonly at: number
  readonly lease: Hex.Hex | null
  readonly provider: Hex.Address | null
  readonly buyer: Hex.Address | null
  readonly model: string | null
  readonly state: 'running' | 'delivered' | 'failed' | 'cancelled'
  /** A test of the provider before the meter runs; costs nothing. */
  readonly probe: boolean
  readonly assurance: Assurance.Assurance | null
  readonly check: Verdict.Outcome | null
  /** Stable code: of the verdict, or of the failure. */
  readonly reason: string | null
  /** `withheld`: the buyer does not pay, and keeps its money. */
  readonly payment: 'none' | 'signed' | 'withheld'
  readonly price: Amount
  readonly inputTokens: number
  readonly outputTokens: number
  readonly startedAt: number | null
  readonly endedAt: number | null
  readonly receipt: Hex.Hex | null
}

/** `GET /api/jobs/:id`. */
export type JobDetail = {
  readonly job: Job
  readonly order: Hex.Hex | null
  readonly lease: Lease | null
  readonly receipt: SignedDocument | null
  readonly verdicts: readonly SignedDocument[]
  /** From the order to the claim, oldest first. */
  readonly timeline: readonly Line[]
  /** Whether the lease's claims on chain reach this job. */
  readonly claimed: boolean
  /** About claims for this job. */
  readonly disputes: readonly Dispute[]
}

/** A signed message as it travelled, with its EIP-712 digest. */
export type SignedDocument = { readonly id: Hex.Hex; readonly signed: unknown }

export type Line = {
  readonly at: number
  readonly subject: 'order' | 'lease' | 'job' | 'payment' | 'receipt' | 'verdict'
  /** Stable code; the page has a sentence for each. */
  readonly code: string
  readonly detail: string
  /** Who signed it, or null for the chain. */
  readonly by: Hex.Address | null
  readonly role: 'buyer' | 'provider' | 'validator' | 'chain' | 'other'
  readonly transaction: { readonly hash: Hex.Hex; readonly block: number } | null
  readonly document: SignedDocument | null
}

export type Lease = {
  readonly id: Hex.Hex
  readonly order: Hex.Hex | null
  readonly buyer: Hex.Address
  readonly provider: Hex.Address
  readonly total: Amount
  readonly claimed: Amount
  readonly refunded: Amount
  readonly openedAt: number
  readonly expiresAt: number
  readonly closedAt: number | null
  readonly state: 'open' | 'ready' | 'paused' | 'closing' | 'settled'
  readonly jobs: number
}

/** `GET /api/leases/:id`. */
export type LeaseDetail = {
  readonly lease: Lease
  readonly jobs: readonly Job[]
  readonly timeline: readonly Line[]
}

/** `GET /api/orders/:id`: what became of an order, and why. */
export type OrderDetail = {
  readonly id: Hex.Hex
  readonly timeline: readonly Line[]
  readonly leases: readonly Lease[]
}

/** A row of `GET /api/disputes`: somebody holds that a claim of exact work is false. */
export type Dispute = {
  readonly id: Hex.Hex
  readonly claim: Hex.Hex
  readonly claimant: Hex.Address
  readonly challenger: Hex.Address
  /** The job that the claim is for. */
  readonly job: Hex.Hex | null
  readonly state: 'open' | 'claimant-won' | 'challenger-won' | 'closed'
  readonly by: EndedBy | null
  readonly turn: Party
  /** What was left of each clock at `movedAt`; since then, while it is open, the clock of `turn` runs. */
  readonly claimantMs: number
  readonly challengerMs: number
  readonly movedAt: number
  readonly openedAt: number
  readonly endedAt: number | null
  /** Moves so far, those off the chain among them. */
  readonly moves: number
  /** Of all its transactions together. */
  readonly gas: number
  /** Reserved of each side. */
  readonly bond: Amount
  /** Stake that the claimant lost to the challenger. */
  readonly slashed: Amount
  readonly where: Where
}

/** `GET /api/disputes/:id`. */
export type DisputeDetail = {
  readonly dispute: Dispute
  readonly claim: ExactClaim
  readonly segment: DisputeSegment
  /** What happened on the chain, oldest first. */
  readonly moves: readonly DisputeMove[]
  /** Other disputes about the same claim. */
  readonly others: readonly Dispute[]
}

/** A claim that was challenged. */
export type ExactClaim = {
  readonly id: Hex.Hex
  readonly state: 'challenged' | 'rejected' | 'final'
  readonly graph: Hex.Hex
  readonly graphCid: Hex.Hex
  readonly start: Hex.Hex
  readonly end: Hex.Hex
  readonly data: Hex.Hex
  readonly run: Hex.Hex
  readonly seed: readonly [number, number]
  readonly worker: number
  readonly steps: number
  /** What the claim offers; `reserved` is what the claimant had of it. */
  readonly bond: Amount
  readonly reserved: Amount
  readonly burned: Amount
  readonly released: Amount
  readonly challengeUntil: number
}

/** `from` to before `to` of `of`. */
export type Span = { readonly from: number; readonly to: number; readonly of: number }

/** What is still in dispute, from the coarse to the fine; all before it is agreed. Null: it has not come to that. */
export type Where = {
  readonly phase: Phase
  readonly steps: Span
  /** Of the step; counted from its first batch slot. */
  readonly values: Span | null
  /** The value's number in the graph. */
  readonly value: number | null
  /** Slots of the state after the step, where all its values are agreed. */
  readonly slots: Span | null
  /** Of the value. */
  readonly bytes: Span | null
  readonly elementBytes: number | null
  readonly element: number | null
  /** Of the element's chain. */
  readonly segments: { readonly from: number; readonly to: number } | null
}

/** What is known of the segment that is left, byte for byte. */
export type DisputeSegment = {
  /** The op's leaf of the graph, as `src/exact/readLeaf.ts` reads it. */
  readonly op: Hex.Hex | null
  /** The accumulator before it, and after it as the claimant says. Null before anything was shown of them. */
  readonly accIn: Hex.Hex | null
  readonly accOut: Hex.Hex | null
  /** What it reads, as the claimant says. */
  readonly operands: Hex.Hex | null
  readonly proof:
    | { readonly type: 'arithmetic' }
    /** The operand with this number, and what stands where it is read. */
    | { readonly type: 'read'; readonly read: number; readonly opening: Opening }
    /** The graph's leaf of the state slot, and the root that it should hold. */
    | { readonly type: 'slot'; readonly slot: Hex.Hex; readonly next: Hex.Hex }
    | null
}

/** Something that happened in a dispute. */
export type DisputeMove = {
  /** Number of the move it is, or led to; null for what is none. */
  readonly number: number | null
  readonly party: Party | 'anyone'
  readonly type: string
  /** One sentence. */
  readonly words: string
  /** Of what it shows and proves. */
  readonly bytes: number
  readonly at: number
  readonly block: number
  readonly transaction: Hex.Hex
  readonly gas: number | null
}

/** `GET /api/money`. */
export type Money = {
  readonly totals: Totals
  readonly conservation: Conservation | null
  readonly series: readonly MoneyPoint[]
  readonly movements: Page<Movement>
}

export type MoneyPoint = {
  readonly at: number
  readonly deposited: Amount
  readonly reserved: Amount
  readonly claimed: Amount
}

/** One event of the contracts. */
export type Movement = {
  readonly block: number
  readonly position: number
  readonly at: number
  readonly transaction: Hex.Hex
  readonly type: string
  readonly buyer: Hex.Address | null
  readonly provider: Hex.Address | null
  readonly lease: Hex.Hex | null
  readonly amount: Amount | null
}

/** `GET /api/activity`: work by time. */
export type Activity = {
  readonly bucketMs: number
  readonly points: readonly {
    readonly at: number
    readonly jobs: number
    readonly tokens: number
    readonly rejected: number
  }[]
  /** The newest jobs of each provider, oldest first: the stitches of the cloth. */
  readonly threads: readonly {
    readonly provider: Hex.Address
    readonly jobs: readonly Pick<Job, 'id' | 'at' | 'state' | 'check' | 'assurance'>[]
  }[]
}

/** Some rows, and where to go on: `?before=next`. */
export type Page<row> = { readonly rows: readonly row[]; readonly next: string | null }

/** What changed, as `GET /api/events` tells it; the reader asks again for what it shows. */
export type Change = { readonly kind: ChangeKind; readonly id: string }
export type ChangeKind =
  | 'chain'
  | 'money'
  | 'lease'
  | 'provider'
  | 'job'
  | 'order'
  | 'dispute'
  | 'training'

/** RFC 9457 problem details. */
export type Problem = {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code: string
}

const hash = z.string().check(z.regex(/^0x[0-9a-f]{64}$/))
const address = z.string().check(z.regex(/^0x[0-9a-f]{40}$/))
const limit = z._default(
  z.pipe(
    z.string().check(z.regex(/^[1-9][0-9]{0,2}$/)),
    z.transform((text) => Math.min(200, Number(text))),
  ),
  50,
)

/** Path parameters. */
export const byHash = z.strictObject({ id: hash })
export const byAddress = z.strictObject({ address })

/** Query of a route without one. */
export const noQuery = z.strictObject({})

/** Where a page of rows begins: the time (or block) and id (or position) of the last row seen. */
const before = z.optional(z.string().check(z.regex(/^[0-9]{1,15}-(0x[0-9a-f]{64}|[0-9]{1,9})$/)))

export const jobsQuery = z.strictObject({
  limit,
  before,
  provider: z.optional(address),
  buyer: z.optional(address),
  lease: z.optional(hash),
  /** Only jobs that a validator found so, failed ones, or running ones. */
  show: z.optional(z.enum(['verified', 'rejected', 'pending', 'failed', 'running'])),
  /** `1` shows probes too. */
  probes: z.optional(z.enum(['0', '1'])),
})
export type JobsQuery = z.infer<typeof jobsQuery>

export const leasesQuery = z.strictObject({
  limit,
  before,
  provider: z.optional(address),
  buyer: z.optional(address),
  show: z.optional(z.enum(['open', 'settled'])),
})
export type LeasesQuery = z.infer<typeof leasesQuery>

export const disputesQuery = z.strictObject({
  limit,
  before,
  claimant: z.optional(address),
  challenger: z.optional(address),
  claim: z.optional(hash),
  job: z.optional(hash),
  show: z.optional(z.enum(['open', 'ended'])),
})
export type DisputesQuery = z.infer<typeof disputesQuery>

export const trainingQuery = z.strictObject({
  limit,
  before,
  show: z.optional(z.enum(['running', 'ended'])),
})
export type TrainingQuery = z.infer<typeof trainingQuery>

/** Which runs to compare, eight at most. */
export const curvesQuery = z.strictObject({
  runs: z.pipe(
    z.string().check(z.regex(/^0x[0-9a-f]{64}(,0x[0-9a-f]{64}){0,7}$/)),
    z.transform((text) => text.split(',')),
  ),
})

export const moneyQuery = z.strictObject({ limit, before })
export type MoneyQuery = z.infer<typeof moneyQuery>

export const activityQuery = z.strictObject({
  minutes: z._default(
    z.pipe(
      z.enum(['15', '60', '360', '1440']),
      z.transform((text) => Number(text)),
    ),
    15,
  ),
})
export type ActivityQuery = z.infer<typeof activityQuery>
