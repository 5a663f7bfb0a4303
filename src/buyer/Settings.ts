import type { DisputeParameters } from '../chain/Chain.ts'
import { policies, type Policy, type Prices } from '../market/index.ts'
import type * as Assurance from '../protocol/Assurance.ts'
import type * as Completion from '../protocol/Completion.ts'
import type * as Hex from '../protocol/Hex.ts'

/** How a buyer behaves: what it wants, what it pays, whom it trusts, how long it waits. */
export type Settings = {
  /** Accounts whose verdicts count, and who may ask providers for the contents of our jobs. At most 16. */
  readonly validators: readonly Hex.Address[]
  /** Bought when a completion names none. `unverified` is paid at delivery, every other tier after the wait. */
  readonly defaultTier: Assurance.Tier
  /** How long a delivered job waits for a verdict before it is paid without one. */
  readonly verdictTimeoutMs: number
  /** What a lease reserves at first, and by what its total is raised. */
  readonly leaseBudgetMicroUsd: bigint
  readonly leaseDurationMs: number
  /** The most that is paid per million tokens. */
  readonly ceilings: Prices
  /** The job by which bids are compared. */
  readonly expectedUsage: Completion.Usage
  /** How many providers hold a lease for the same model and tier, so that work is spread and can move. */
  readonly providersPerModel: number
  /** Jobs at once that a lease is asked for; a provider with fewer places is asked for those. */
  readonly concurrency: number
  readonly policy: Policy
  readonly auctionRule: 'second-price' | 'pay-as-bid'
  /** Weights that must be served under a model's name; other providers are screened out. */
  readonly pinnedWeights: Readonly<Record<string, Hex.Hex>>
  /** Providers with less at stake on the chain get no lease. */
  readonly minStakeMicroUsd: bigint
  /** What must answer for an answer of tier `exact`; providers with less credit for bonds get no lease of it. */
  readonly minBondMicroUsd: bigint
  /** How long it must be open to challenge. @default a quarter of what `Disputes` allows */
  readonly minChallengeWindowMs: number
  /** When set, the deposit is kept at this much free money from the buyer's own account. */
  readonly keepDepositMicroUsd: bigint | undefined
  /** Models that get leases before anybody asks: named ones, or every one that is offered. */
  readonly warmModels: 'offered' | readonly string[]
  readonly bidTimeoutMs: number
  /** How long a provider may take to bring a lease to the chain. */
  readonly openTimeoutMs: number
  /** The longest silence of a provider within a job. */
  readonly idleTimeoutMs: number
  /** How long a completion may look for a provider before it gives up. */
  readonly startTimeoutMs: number
  /** Providers that one completion tries. */
  readonly attempts: number
  /** Completions that wait for a place at once. */
  readonly queueLimit: number
  /** How often leases are compared with the chain. */
  readonly tendIntervalMs: number
}

/** What the caller may leave out. */
export type Options = { readonly [name in keyof Settings]?: Settings[name] | undefined }

const defaults: Omit<Settings, 'minChallengeWindowMs'> = {
  validators: [],
  defaultTier: 'unverified',
  verdictTimeoutMs: 10_000,
  leaseBudgetMicroUsd: 1_000_000n,
  leaseDurationMs: 3_600_000,
  ceilings: {
    inputMicroUsdPerMillion: 100_000_000n,
    outputMicroUsdPerMillion: 100_000_000n,
  },
  expectedUsage: { inputTokens: 500, outputTokens: 250 },
  providersPerModel: 3,
  concurrency: 64,
  policy: policies.balanced,
  auctionRule: 'second-price',
  pinnedWeights: {},
  minStakeMicroUsd: 0n,
  minBondMicroUsd: 100_000n,
  keepDepositMicroUsd: undefined,
  warmModels: [],
  bidTimeoutMs: 3_000,
  openTimeoutMs: 30_000,
  idleTimeoutMs: 30_000,
  startTimeoutMs: 30_000,
  attempts: 5,
  queueLimit: 1_000,
  tendIntervalMs: 2_000,
}

/**
 * Fills in what was left out: some of it follows the contract of disputes; a tier other than `unverified` is the
 * default as soon as somebody can check.
 */
export function from(
  options: Options,
  { disputes }: { readonly disputes: Pick<DisputeParameters, 'windowSeconds'> },
): Settings {
  const given = Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  ) as Partial<Settings>
  const validators = (given.validators ?? []).slice(0, 16)
  const defaultTier = validators.length > 0 ? 'statistical' : defaults.defaultTier
  const minChallengeWindowMs = disputes.windowSeconds * 250
  return { ...defaults, minChallengeWindowMs, defaultTier, ...given, validators }
}
