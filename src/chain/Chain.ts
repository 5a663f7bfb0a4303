import type * as Domain from '../protocol/Domain.ts'
import type * as Hex from '../protocol/Hex.ts'
import type * as Lease from '../protocol/Lease.ts'
import type { ExactClaim } from '../protocol/ExactClaim.ts'
import { BaseError } from '../runtime/Errors.ts'
import type {
  ClaimState,
  DisputeAction,
  DisputeEvent,
  DisputeParameters,
  DisputeState,
} from './ChainDisputes.ts'

export type * from './ChainDisputes.ts'

/**
 * The contracts as one account sees them, as a port. `viem.ts` talks to any EVM chain, `memory.ts` is
 * the twin for tests and the reference for what every action does.
 */
export type Chain = AsyncDisposable & {
  readonly domain: Domain.Domain
  /** Who signs and pays for our transactions. */
  readonly account: Hex.Address
  readonly parameters: Parameters
  head(): Promise<Head>
  /** A buyer's deposit. */
  deposit(buyer: Hex.Address): Promise<Deposit>
  lease(key: Lease.Key): Promise<LeaseState>
  /** What a provider has claimed and not yet withdrawn. */
  earned(provider: Hex.Address): Promise<bigint>
  registration(provider: Hex.Address): Promise<Registration>
  /** An account's money for bonds. */
  credit(account: Hex.Address): Promise<Deposit>
  /** By its id. */
  dispute(id: Hex.Hex): Promise<DisputeState>
  exactClaim(claim: ExactClaim): Promise<ClaimState>
  /** Balance of the stable token; of the vault itself for the conservation check. */
  balance(holder: Hex.Address): Promise<bigint>
  /**
   * Sends one transaction and resolves when it is in a block.
   *
   * @throws {RevertedError} when a contract refused; nothing changed.
   * @throws {FeeError} when the account cannot pay the fees; nothing changed.
   * @throws {UnavailableError} when the chain cannot be reached; the action may or may not happen, so look before repeating.
   */
  send(action: Action, options?: { signal?: AbortSignal | undefined }): Promise<Sent>
  /** Events of blocks `from` to `to`, both included, in order. */
  events(range: { from: bigint; to: bigint }): Promise<readonly ChainEvent[]>
}

/** Constants of the contracts. */
export type Parameters = {
  readonly usd: Hex.Address
  readonly registry: Hex.Address
  /** How long a buyer waits between asking to withdraw and withdrawing. */
  readonly withdrawalDelaySeconds: number
  /** How long a provider waits to get its stake back; it can be slashed all that time. */
  readonly unbondingDelaySeconds: number
  readonly disputes: DisputeParameters
}

export type Head = {
  readonly number: bigint
  readonly hash: Hex.Hex
  readonly timestampSeconds: number
}

export type Deposit = {
  /** Neither reserved nor withdrawn; includes what has been asked back. */
  readonly freeMicroUsd: bigint
  /** Sum of the open leases' totals, less what was claimed in them. */
  readonly reservedMicroUsd: bigint
  readonly withdrawingMicroUsd: bigint
  /** When the withdrawal can be taken; 0 when none was asked. */
  readonly withdrawableAtSeconds: number
}

/** `none`: never opened. `closed` is for ever. */
export type LeaseState = {
  readonly state: 'none' | 'open' | 'closed'
  readonly totalMicroUsd: bigint
  readonly claimedMicroUsd: bigint
  readonly expirySeconds: number
}

export type Registration = {
  readonly registered: boolean
  readonly stakeMicroUsd: bigint
  readonly unbondingMicroUsd: bigint
  readonly unbondableAtSeconds: number
}

export type Action =
  | DisputeAction
  /** Test networks only: makes stable money from nothing. */
  | { readonly type: 'mint'; readonly to: Hex.Address; readonly amountMicroUsd: bigint }
  /** Moves the account's own money to `buyer`'s deposit; one transaction, by EIP-3009 or EIP-2612. */
  | { readonly type: 'deposit'; readonly buyer: Hex.Address; readonly amountMicroUsd: bigint }
  | { readonly type: 'request-withdrawal'; readonly amountMicroUsd: bigint }
  | { readonly type: 'withdraw' }
  /** Brings a buyer's signed lease to the chain; opens it, or raises its total or expiry. */
  | { readonly type: 'open-lease'; readonly lease: Lease.Lease; readonly signature: Hex.Hex }
  /** Redeems vouchers of one provider, many at once. All or none. */
  | {
      readonly type: 'claim'
      readonly provider: Hex.Address
      readonly claims: readonly Claim[]
    }
  /** The provider at any time, anyone after expiry: the unclaimed rest returns to the buyer, for ever. */
  | { readonly type: 'close-lease'; readonly key: Lease.Key }
  | { readonly type: 'withdraw-earned' }
  /** Registers, or adds stake and renews the offer's place. */
  | {
      readonly type: 'register'
      readonly peerId: string
      readonly offerUri: string
      readonly stakeMicroUsd: bigint
    }
  | { readonly type: 'request-unbond'; readonly amountMicroUsd: bigint }
  | { readonly type: 'unbond' }
  /** Only the court. */
  | {
      readonly type: 'slash'
      readonly provider: Hex.Address
      readonly amountMicroUsd: bigint
      readonly beneficiary: Hex.Address
    }

export type Claim = {
  readonly buyer: Hex.Address
  readonly nonce: bigint
  readonly cumulativeMicroUsd: bigint
  readonly signature: Hex.Hex
}

export type Sent = {
  readonly transaction: Hex.Hex
  readonly block: bigint
  readonly gasUsed: bigint
}

/** What happened on the chain. `block`, `blockHash` and `transaction` say where; a changed hash means a reorganisation. */
export type ChainEvent = {
  readonly block: bigint
  readonly blockHash: Hex.Hex
  readonly timestampSeconds: number
  readonly transaction: Hex.Hex
} & (
  | { readonly type: 'deposited'; readonly buyer: Hex.Address; readonly amountMicroUsd: bigint }
  | { readonly type: 'withdrawn'; readonly buyer: Hex.Address; readonly amountMicroUsd: bigint }
  | {
      readonly type: 'lease-opened'
      readonly lease: Hex.Hex
      readonly buyer: Hex.Address
      readonly provider: Hex.Address
      readonly nonce: bigint
      readonly totalMicroUsd: bigint
      readonly expirySeconds: number
      readonly terms: Hex.Hex
    }
  /** One per lease and batch. */
  | {
      readonly type: 'claimed'
      readonly lease: Hex.Hex
      readonly buyer: Hex.Address
      readonly provider: Hex.Address
      readonly amountMicroUsd: bigint
      readonly cumulativeMicroUsd: bigint
    }
  | { readonly type: 'lease-closed'; readonly lease: Hex.Hex; readonly refundMicroUsd: bigint }
  | {
      readonly type: 'earnings-withdrawn'
      readonly provider: Hex.Address
      readonly amountMicroUsd: bigint
    }
  | {
      readonly type: 'registered'
      readonly provider: Hex.Address
      readonly peerId: string
      readonly offerUri: string
      readonly stakeMicroUsd: bigint
    }
  | { readonly type: 'unbonded'; readonly provider: Hex.Address; readonly amountMicroUsd: bigint }
  | { readonly type: 'slashed'; readonly provider: Hex.Address; readonly amountMicroUsd: bigint }
  | DisputeEvent
)

/** Thrown when a contract refuses an action. `code` is `Chain.` and the contract's error, e.g. `Chain.InsufficientFree`. */
export class RevertedError extends BaseError {
  override readonly code: string

  constructor({
    action,
    error,
    facts = [],
  }: {
    action: Action['type'] | 'deploy'
    error: string
    facts?: readonly string[]
  }) {
    super(`The chain refused to ${action.replaceAll('-', ' ')}: ${error}.`, { metaMessages: facts })
    this.code = `Chain.${error}`
  }
}

/** Thrown when the chain cannot be asked. */
export class UnavailableError extends BaseError {
  override readonly code = 'Chain.UnavailableError'

  constructor({ cause }: { cause: unknown }) {
    super('The chain cannot be reached.', {
      cause,
      metaMessages: [
        `Reason: ${cause instanceof Error ? cause.message.split('\n')[0] : String(cause)}`,
        'Fix: check the RPC URL in the network file, and that the node answers.',
      ],
    })
  }
}

/** Thrown when an account cannot pay the chain's fees; nothing was sent. */
export class FeeError extends BaseError {
  override readonly code = 'Chain.FeeError'

  constructor({ account, reason }: { account: Hex.Address; reason: string }) {
    super('The account cannot pay for a transaction.', {
      metaMessages: [
        `Account: ${account}`,
        `Reason: ${reason}`,
        "Fix: send some of the chain's own coin to the account. A local network needs none.",
      ],
    })
  }
}

/** Thrown when the node belongs to another chain than the network does. */
export class WrongChainError extends BaseError {
  override readonly code = 'Chain.WrongChainError'

  constructor({ expected, actual }: { expected: number; actual: number }) {
    super('The node at the RPC URL belongs to another chain.', {
      metaMessages: [
        `Chain id: ${actual}, expected ${expected}`,
        'Fix: correct the RPC URL in the network file.',
      ],
    })
  }
}
