import type { DisputeParameters } from '../chain/Chain.ts'
import type { Model } from '../engine/Engine.ts'
import type * as Hex from '../protocol/Hex.ts'
import type * as Offer from '../protocol/Offer.ts'

/** How a provider behaves: what it sells, for how much, whom it trusts how far, how long it waits. */
export type Settings = {
  /** What a model costs. */
  readonly prices: (model: Model) => Prices
  /** Jobs run at once, over all leases. */
  readonly concurrency: number
  readonly region: string
  readonly hardware: Offer.Hardware
  /** Power drawn under load, for buyers who care. */
  readonly watts: number
  /** Where the offer can be read; written into the registry. */
  readonly offerUri: string
  /** What is put at stake in the registry; with 0 the provider does not register. */
  readonly stakeMicroUsd: bigint
  /** Delivered work tolerated unpaid in one lease. */
  readonly creditMicroUsd: bigint
  readonly maxLeases: number
  readonly maxLeasesPerBuyer: number
  /** The smallest lease that is worth a transaction. */
  readonly minBudgetMicroUsd: bigint
  /** The shortest lease that is worth a transaction. */
  readonly minDurationMs: number
  /** How often the offer is gossiped; it is valid four times as long. */
  readonly offerIntervalMs: number
  /** How long a bid can be accepted. */
  readonly bidLifetimeMs: number
  /** Accounts that may ask for the contents of any job, besides those its order names. */
  readonly validators: readonly Hex.Address[]
  /** How often leases are compared with the chain. */
  readonly reconcileIntervalMs: number
  /** Blocks after which a closed lease is believed to be closed. */
  readonly confirmations: number
  /** How long before its expiry a lease takes no more work, so that its last voucher is claimed in time. */
  readonly expiryMarginMs: number
  /** How long a lease may be open or paused before it is closed. */
  readonly readyTimeoutMs: number
  /** How long a closing lease waits for the payment of what was delivered. */
  readonly closeGraceMs: number
  /** The longest silence of an engine, or of a buyer that reads, within a job. */
  readonly stallTimeoutMs: number
  /** The longest job. */
  readonly jobTimeoutMs: number
  /** Answers kept for validators, and for how long. */
  readonly evidenceLimit: number
  readonly evidenceAgeMs: number
  /** What an answer of tier `exact` is answered for with; `Disputes` should hold as much of ours. */
  readonly exactBondMicroUsd: bigint
  /** How long such an answer can be challenged. @default half of what `Disputes` allows */
  readonly challengeWindowMs: number
  /** How long a claim is kept after that: disputes that began in time may last so long. */
  readonly claimKeepMs: number
}

/** Micro-USD per million tokens. */
export type Prices = Pick<Offer.Model, 'inputMicroUsdPerMillion' | 'outputMicroUsdPerMillion'>

/** What the caller may leave out is what has a default. */
export type Options = { readonly prices: Settings['prices'] } & {
  readonly [name in keyof Omit<Settings, 'prices'>]?: Settings[name] | undefined
}

const defaults: Omit<Settings, 'prices' | 'challengeWindowMs'> = {
  concurrency: 1,
  region: '',
  hardware: { cpu: '', cores: 0, memoryBytes: 0n, diskBytes: 0n, gpus: [] },
  watts: 0,
  offerUri: '',
  stakeMicroUsd: 0n,
  creditMicroUsd: 100_000n,
  maxLeases: 256,
  maxLeasesPerBuyer: 32,
  minBudgetMicroUsd: 1n,
  minDurationMs: 60_000,
  offerIntervalMs: 5_000,
  bidLifetimeMs: 60_000,
  validators: [],
  reconcileIntervalMs: 5_000,
  confirmations: 3,
  expiryMarginMs: 20_000,
  readyTimeoutMs: 300_000,
  closeGraceMs: 20_000,
  stallTimeoutMs: 60_000,
  jobTimeoutMs: 600_000,
  evidenceLimit: 10_000,
  evidenceAgeMs: 86_400_000,
  exactBondMicroUsd: 1_000_000n,
  claimKeepMs: 86_400_000,
}

/** Fills in what was left out; some of it follows the contract of disputes. */
export function from(
  options: Options,
  { disputes }: { readonly disputes: Pick<DisputeParameters, 'windowSeconds'> },
): Settings {
  const given = Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  ) as Partial<Settings>
  const challengeWindowMs = disputes.windowSeconds * 500
  return { ...defaults, challengeWindowMs, prices: options.prices, ...given }
}
