import type * as Move from '../protocol/dispute/Move.ts'
import type * as Position from '../protocol/dispute/Position.ts'
import type { Domain } from '../protocol/Domain.ts'
import type { ExactClaim } from '../protocol/ExactClaim.ts'
import * as Hex from '../protocol/Hex.ts'
import type {
  Action,
  ChainEvent,
  Deposit,
  DisputeState,
  LeaseState,
  Parameters,
  Registration,
} from './Chain.ts'

/** Everything the contracts remember, by account or lease id. What is missing is zero. */
export type State = {
  /** Stable tokens, those of the contracts included. */
  readonly balances: ReadonlyMap<Hex.Address, bigint>
  readonly deposits: ReadonlyMap<Hex.Address, Deposit>
  readonly leases: ReadonlyMap<Hex.Hex, LeaseState>
  readonly earned: ReadonlyMap<Hex.Address, bigint>
  readonly registrations: ReadonlyMap<Hex.Address, Registration>
  /** Money for bonds. */
  readonly credits: ReadonlyMap<Hex.Address, Deposit>
  readonly claims: ReadonlyMap<Hex.Hex, ChallengedClaim>
  readonly disputes: ReadonlyMap<Hex.Hex, Dispute>
}

/** A claim that was challenged, as it is stored. */
export type ChallengedClaim = {
  readonly claimant: Hex.Address
  readonly state: 'none' | 'challenged' | 'rejected' | 'final'
  readonly bondMicroUsd: bigint
  readonly open: number
  readonly burned: boolean
}

export type Dispute = DisputeState & { readonly slashed: boolean }

/**
 * The rules of the game, which this layer does not know: `Game.play` of `verification/`. It throws an error
 * whose `code` says what is wrong with a move.
 */
export type DisputeGame = (
  claim: ExactClaim,
  position: Position.Position,
  move: Move.Move,
) =>
  | { readonly type: 'position'; readonly position: Position.Position }
  | { readonly type: 'end'; readonly winner: Position.Party }

export type Context = {
  readonly domain: Domain
  readonly parameters: Parameters
  readonly court: Hex.Address
  readonly sender: Hex.Address
  readonly timestampSeconds: number
  readonly game: DisputeGame | undefined
}

/** An event without its place on the chain. */
export type LedgerEvent = ChainEvent extends infer event
  ? event extends ChainEvent
    ? Omit<event, 'block' | 'blockHash' | 'timestampSeconds' | 'transaction'>
    : never
  : never

export const noDeposit: Deposit = {
  freeMicroUsd: 0n,
  reservedMicroUsd: 0n,
  withdrawingMicroUsd: 0n,
  withdrawableAtSeconds: 0,
}

export const noLease: LeaseState = {
  state: 'none',
  totalMicroUsd: 0n,
  claimedMicroUsd: 0n,
  expirySeconds: 0,
}

export const noRegistration: Registration = {
  registered: false,
  stakeMicroUsd: 0n,
  unbondingMicroUsd: 0n,
  unbondableAtSeconds: 0,
}

export const noClaim: ChallengedClaim = {
  claimant: `0x${'00'.repeat(20)}`,
  state: 'none',
  bondMicroUsd: 0n,
  open: 0,
  burned: false,
}

export const noDispute: Dispute = {
  state: 'none',
  position: Hex.zero,
  number: 0,
  turn: 'claimant',
  claimantSeconds: 0,
  challengerSeconds: 0,
  movedAtSeconds: 0,
  slashed: false,
}

/** Accounts of the vault hold at most this much, so that three amounts and a time share a storage slot. */
export const largestAmountMicroUsd = 2n ** 72n - 1n

/** What actions do to the ledger. */
export type RulesOf<types extends Action['type']> = {
  readonly [type in types]: (
    draft: Draft,
    action: Extract<Action, { type: type }>,
    context: Context,
  ) => readonly LedgerEvent[]
}

/** Moves stable tokens. */
export function transfer(draft: Draft, from: Hex.Address, to: Hex.Address, amount: bigint): void {
  const held = draft.balance.get(from)
  if (held < amount) throw new Refusal('ERC20InsufficientBalance')
  draft.balance.set(from, held - amount)
  draft.balance.set(to, draft.balance.get(to) + amount)
}

export const zeroAddress: Hex.Address = `0x${'00'.repeat(20)}`

/** A layer of changes over a state; each table reads through it. */
export type Draft = ReturnType<typeof draftOf>

/** Nothing changed yet. */
export function draftOf(state: State) {
  const changes = {
    balances: new Map<Hex.Address, bigint>(),
    deposits: new Map<Hex.Address, Deposit>(),
    leases: new Map<Hex.Hex, LeaseState>(),
    earned: new Map<Hex.Address, bigint>(),
    registrations: new Map<Hex.Address, Registration>(),
    credits: new Map<Hex.Address, Deposit>(),
    claims: new Map<Hex.Hex, ChallengedClaim>(),
    disputes: new Map<Hex.Hex, Dispute>(),
  }
  return {
    changes,
    balance: layer(state.balances, changes.balances, 0n),
    deposit: layer(state.deposits, changes.deposits, noDeposit),
    lease: layer(state.leases, changes.leases, noLease),
    earned: layer(state.earned, changes.earned, 0n),
    registration: layer(state.registrations, changes.registrations, noRegistration),
    credit: layer(state.credits, changes.credits, noDeposit),
    claim: layer(state.claims, changes.claims, noClaim),
    dispute: layer(state.disputes, changes.disputes, noDispute),
  }
}

function layer<value>(
  below: ReadonlyMap<Hex.Hex, value>,
  above: Map<Hex.Hex, value>,
  missing: value,
) {
  return {
    get: (key: Hex.Hex) => above.get(key) ?? below.get(key) ?? missing,
    set: (key: Hex.Hex, value: value) => void above.set(key, value),
  }
}

/** Unwinds one action; `name` is the contract's error. Never leaves the ledger. */
export class Refusal extends Error {
  constructor(name: string) {
    super(name)
    this.name = name
  }
}

/** What the registry takes of a provider's stake when the court tells it to. */
export function takeStake(
  draft: Draft,
  {
    provider,
    amountMicroUsd,
    beneficiary,
  }: { provider: Hex.Address; amountMicroUsd: bigint; beneficiary: Hex.Address },
  { parameters }: Pick<Context, 'parameters'>,
): bigint {
  if (amountMicroUsd === 0n) throw new Refusal('ZeroAmount')
  if (beneficiary === zeroAddress || beneficiary === parameters.registry)
    throw new Refusal('InvalidBeneficiary')
  const before = draft.registration.get(provider)
  const held = before.stakeMicroUsd + before.unbondingMicroUsd
  if (held === 0n) throw new Refusal('NothingToSlash')
  const taken = amountMicroUsd < held ? amountMicroUsd : held
  const { unbondingMicroUsd } = before
  const fromUnbonding = taken < unbondingMicroUsd ? taken : unbondingMicroUsd
  const stakeMicroUsd = before.stakeMicroUsd - (taken - fromUnbonding)
  draft.registration.set(provider, {
    ...before,
    registered: stakeMicroUsd > 0n,
    stakeMicroUsd,
    unbondingMicroUsd: unbondingMicroUsd - fromUnbonding,
  })
  transfer(draft, parameters.registry, beneficiary, taken)
  return taken
}
