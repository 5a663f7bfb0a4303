import type * as Assurance from '../protocol/Assurance.ts'
import type * as Completion from '../protocol/Completion.ts'
import type * as ExactClaim from '../protocol/ExactClaim.ts'
import type * as Hex from '../protocol/Hex.ts'
import type * as Receipt from '../protocol/Receipt.ts'
import type { Reason } from '../protocol/Exchange.ts'
import type { Signed } from '../protocol/SignedMessage.ts'
import { BaseError } from '../runtime/Errors.ts'

/** A running buyer: it knows the market, holds leases, sends jobs, checks receipts and pays. */
export type Buyer = AsyncDisposable & {
  readonly address: Hex.Address
  /** Models offered on the network right now, one entry per model and weights. */
  models(): readonly AvailableModel[]
  /**
   * Buys one completion: finds or opens a lease, and moves to another provider by itself when one
   * fails before the first delta.
   *
   * @throws {NoProviderError} when nobody offers the model on acceptable terms; it says why for each.
   * @throws {InterruptedError} when a provider fails after the first delta; nothing is charged.
   */
  complete(
    request: Completion.Request,
    options?: CompleteOptions,
  ): AsyncGenerator<BuyerEvent, void, undefined>
  /** What is known of a job bought here; undefined for jobs of others. */
  job(id: Hex.Hex): Promise<JobRecord | undefined>
  /** The newest jobs first. */
  jobs(options?: { limit?: number | undefined }): Promise<readonly JobRecord[]>
  /** Resolves when the job is paid, refunded or failed. */
  settled(id: Hex.Hex, options?: { signal?: AbortSignal | undefined }): Promise<JobRecord>
  leases(): readonly LeaseRecord[]
  balance(): Promise<Balance>
}

export type AvailableModel = {
  readonly id: string
  readonly weights: Hex.Hex
  readonly quantisation: string
  readonly contextTokens: number
  readonly tiers: readonly Assurance.Tier[]
  /** Accounts of the providers that offer it, cheapest first. */
  readonly providers: readonly Hex.Address[]
  /** The lowest asks. */
  readonly inputMicroUsdPerMillion: bigint
  readonly outputMicroUsdPerMillion: bigint
}

export type CompleteOptions = {
  /** The assurance to buy. @default the buyer's own default */
  tier?: Assurance.Tier | undefined
  /** The most this completion may cost; a job that could cost more is not sent. */
  maxMicroUsd?: bigint | undefined
  signal?: AbortSignal | undefined
}

/** Events of one completion, in order: one start, deltas, one end. */
export type BuyerEvent =
  | {
      readonly type: 'completion-start'
      readonly job: Hex.Hex
      readonly lease: Hex.Hex
      readonly provider: Hex.Address
      readonly model: string
      readonly weights: Hex.Hex
      readonly quantisation: string
      readonly tier: Assurance.Tier
    }
  | { readonly type: 'completion-delta'; readonly delta: Completion.Delta }
  | {
      readonly type: 'completion-end'
      readonly finishReason: Completion.FinishReason
      readonly usage: Completion.Usage
      readonly priceMicroUsd: bigint
      /** Hash of the receipt. */
      readonly receiptId: Hex.Hex
      readonly receipt: Signed<Receipt.Receipt>
      /** What the provider answers for with a bond; for tier `exact` alone. */
      readonly claim?: Signed<ExactClaim.ExactClaim> | undefined
      readonly assurance: Assurance.Assurance
    }

/** `delivered` waits for a verdict or the end of the waiting time; the last three are final. */
export type JobState = 'running' | 'delivered' | 'paid' | 'refunded' | 'failed'

export type JobRecord = {
  readonly job: Hex.Hex
  readonly lease: Hex.Hex
  readonly provider: Hex.Address
  readonly model: string
  readonly state: JobState
  readonly assurance: Assurance.Assurance
  readonly usage: Completion.Usage
  /** What it costs; zero when refunded or failed. */
  readonly priceMicroUsd: bigint
  /** Hash of the receipt, or `Hex.zero` before delivery. */
  readonly receiptId: Hex.Hex
  /** Stable code when refunded or failed. */
  readonly reason?: string | undefined
  /** What the provider answers for a delivered job of tier `exact` with, and until when it can be challenged. */
  readonly claim?:
    | { readonly bondMicroUsd: bigint; readonly challengeUntilSeconds: number }
    | undefined
  readonly createdAt: number
}

export type LeaseRecord = {
  readonly lease: Hex.Hex
  readonly provider: Hex.Address
  readonly model: string
  readonly tier: Assurance.Tier
  readonly state: 'open' | 'ready' | 'paused' | 'closing' | 'settled'
  readonly totalMicroUsd: bigint
  /** Highest voucher signed. */
  readonly signedMicroUsd: bigint
  readonly expirySeconds: number
}

/** All in micro-USD. `deposited = reserved + free`; `spent` is what vouchers promised so far. */
export type Balance = {
  /** Stable tokens in the buyer's own account, outside the vault. */
  readonly walletMicroUsd: bigint
  readonly depositedMicroUsd: bigint
  readonly reservedMicroUsd: bigint
  readonly freeMicroUsd: bigint
  readonly spentMicroUsd: bigint
}

/** Why a provider does not serve a completion. */
export type Refusal = { readonly provider: Hex.Address; readonly reasons: readonly Reason[] }

/** Thrown when nobody serves a completion. Nothing was charged; `refusals` says why for each provider. */
export class NoProviderError extends BaseError {
  override readonly code = 'Buyer.NoProviderError'
  readonly refusals: readonly Refusal[]
  /** What stands in the buyer's own way, such as an empty deposit. */
  readonly reasons: readonly Reason[]

  constructor({ model, tier, refusals = [], reasons = [] }: NoProviderError.Facts) {
    super(
      refusals.length > 0
        ? 'No provider serves this on acceptable terms.'
        : 'Nobody on the network offers this model.',
      {
        metaMessages: [
          `Model: ${model.slice(0, 256)}`,
          `Tier: ${tier}`,
          ...reasons.map(({ code, message }) => `${code}: ${message}`),
          ...refusals
            .slice(0, 32)
            .flatMap(({ provider, reasons: why }) =>
              why.map(({ code, message }) => `${provider}: ${code}: ${message}`),
            ),
        ],
      },
    )
    this.refusals = refusals
    this.reasons = reasons
  }
}

export declare namespace NoProviderError {
  type Facts = {
    model: string
    tier: Assurance.Tier
    refusals?: readonly Refusal[] | undefined
    /** What stands in the way on our own side, for instance an empty deposit. */
    reasons?: readonly Reason[] | undefined
  }
}

/** Thrown when a provider fails after its first words have been passed on. Nothing is charged. */
export class InterruptedError extends BaseError {
  override readonly code = 'Buyer.InterruptedError'
  readonly job: Hex.Hex
  /** What went wrong with the provider. */
  readonly reason: Reason

  constructor({ job, provider, reason }: { job: Hex.Hex; provider: Hex.Address; reason: Reason }) {
    super('The provider failed in the middle of its answer; nothing is charged.', {
      metaMessages: [
        `Job: ${job}`,
        `Provider: ${provider}`,
        `${reason.code}: ${reason.message}`,
        'Fix: send the request again; another provider will serve it.',
      ],
    })
    this.job = job
    this.reason = reason
  }
}

/** Thrown when more completions wait for a place than the buyer lets wait. */
export class BusyError extends BaseError {
  override readonly code = 'Buyer.BusyError'

  constructor({ queued }: { queued: number }) {
    super('Too many completions wait for a provider.', {
      metaMessages: [
        `Waiting: ${queued}`,
        'Fix: send fewer at once, or hold leases with more providers.',
      ],
    })
  }
}
