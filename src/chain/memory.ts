import * as Hex from '../protocol/Hex.ts'
import * as Lease from '../protocol/Lease.ts'
import * as ExactClaim from '../protocol/ExactClaim.ts'
import type { Domain } from '../protocol/Domain.ts'
import type { Clock } from '../runtime/Clock.ts'
import type { Random } from '../runtime/Random.ts'
import {
  RevertedError,
  UnavailableError,
  type Action,
  type Chain,
  type ChainEvent,
  type ClaimState,
  type Head,
  type Parameters,
  type Sent,
} from './Chain.ts'
import * as Ledger from './ledger.ts'

/**
 * Creates a chain in this process: the twin of the contracts, with blocks, delay, reorganisations and
 * outages. It starts no timer of its own but the one for a block that has transactions.
 */
export function memoryChain(
  ports: {
    clock: Clock
    random?: Random | undefined
    /** `Game.play` of `verification/`; without it no move of a dispute can be made. */
    game?: Ledger.DisputeGame | undefined
  },
  options: memoryChain.Options = {},
): MemoryChain {
  const { clock, random, game } = ports
  const { delayMs = 0, court = addressOf('a4'), chainId = 31_337 } = options
  const domain: Domain = { chainId, vault: options.vault ?? addressOf('a1') }
  const parameters: Parameters = {
    usd: addressOf('a2'),
    registry: addressOf('a3'),
    withdrawalDelaySeconds: options.withdrawalDelaySeconds ?? 3600,
    unbondingDelaySeconds: options.unbondingDelaySeconds ?? 7200,
    disputes: {
      address: addressOf('a4'),
      clockSeconds: 900,
      windowSeconds: 1800,
      withdrawalDelaySeconds: 3600,
      ...options.disputes,
    },
  }
  const blocks = blockchain(
    { clock, blockTimeMs: options.blockTimeMs ?? 1000 },
    (sender, head) => ({
      domain,
      parameters,
      court,
      sender,
      game,
      timestampSeconds: head.timestampSeconds,
    }),
  )
  let available = true
  const reach = async (signal?: AbortSignal) => {
    if (delayMs > 0) await clock.sleep(delayMs, { signal })
    signal?.throwIfAborted()
    if (!available) throw new UnavailableError({ cause: new Error('connection refused') })
    blocks.catchUp()
  }

  return {
    domain,
    parameters,
    court,
    state: () => blocks.state,
    totals: () => totalsOf(blocks.state, { domain, parameters }),
    mint: (to, amountMicroUsd) => blocks.mint(to, amountMicroUsd),
    rollback: (count) => blocks.rollback(count),
    setAvailable(next) {
      available = next
      if (!next) blocks.forsake(() => random !== undefined && random.next() < 0.5)
    },
    connect: (party) => {
      const account = typeof party === 'string' ? party : party.address
      return {
        domain,
        account,
        parameters,
        async head() {
          await reach()
          return blocks.head()
        },
        async deposit(buyer) {
          await reach()
          return blocks.state.deposits.get(buyer) ?? Ledger.noDeposit
        },
        async lease(key) {
          await reach()
          return blocks.state.leases.get(Lease.id(key)) ?? Ledger.noLease
        },
        async earned(provider) {
          await reach()
          return blocks.state.earned.get(provider) ?? 0n
        },
        async registration(provider) {
          await reach()
          return blocks.state.registrations.get(provider) ?? Ledger.noRegistration
        },
        async credit(holder) {
          await reach()
          return blocks.state.credits.get(holder) ?? Ledger.noDeposit
        },
        async dispute(id) {
          await reach()
          const { slashed: _, ...state } = blocks.state.disputes.get(id) ?? Ledger.noDispute
          return state
        },
        async exactClaim(claim) {
          await reach()
          return claimState(blocks.state, ExactClaim.hash(domain, claim), {
            claim,
            nowSeconds: blocks.head().timestampSeconds,
          })
        },
        async balance(holder) {
          await reach()
          return blocks.state.balances.get(holder) ?? 0n
        },
        async send(action, { signal } = {}) {
          await reach(signal)
          return await blocks.submit(account, action, signal)
        },
        async events(range) {
          await reach()
          return blocks.events(range)
        },
        async [Symbol.asyncDispose]() {},
      }
    },
  }
}

export declare namespace memoryChain {
  type Options = {
    /** @default 31337 */
    chainId?: number | undefined
    vault?: Hex.Address | undefined
    /** Who may slash. @default the contract of disputes */
    court?: Hex.Address | undefined
    /** Time between blocks; 0 puts every transaction into a block of its own at once. @default 1000 */
    blockTimeMs?: number | undefined
    /** How long every request takes to reach the chain. @default 0 */
    delayMs?: number | undefined
    /** @default 3600 */
    withdrawalDelaySeconds?: number | undefined
    /** @default 7200 */
    unbondingDelaySeconds?: number | undefined
    disputes?: Partial<Parameters['disputes']> | undefined
  }
}

/** A chain in memory, as seen from outside. */
export type MemoryChain = {
  readonly domain: Domain
  readonly parameters: Parameters
  readonly court: Hex.Address
  /** The chain as one party sees it. */
  connect(party: Hex.Address | { readonly address: Hex.Address }): Chain
  /** Makes stable money at once, outside any block: a rollback does not take it away. */
  mint(to: Hex.Address, amountMicroUsd: bigint): void
  /**
   * Reorganises: the last `count` blocks are replaced by empty ones of other hashes. What was in them
   * is gone until somebody sends it again.
   */
  rollback(count: number): void
  /**
   * While unavailable every call throws `UnavailableError`, also those waiting for a block; their
   * transactions happen all the same, or are lost with even chance when a `random` was given.
   */
  setAvailable(available: boolean): void
  /** Everything the contracts remember now. */
  state(): Ledger.State
  totals(): Totals
}

/** Sums over all accounts, for the invariant `free + reserved + earned = vault`. */
export type Totals = {
  readonly freeMicroUsd: bigint
  /** Reserved in open leases and not yet claimed. */
  readonly reservedMicroUsd: bigint
  readonly earnedMicroUsd: bigint
  /** Tokens of the vault. */
  readonly vaultMicroUsd: bigint
  readonly stakedMicroUsd: bigint
  /** Tokens of the registry. */
  readonly registryMicroUsd: bigint
  /** All tokens there are. */
  readonly supplyMicroUsd: bigint
  /** Bonds and credit for bonds. */
  readonly creditMicroUsd: bigint
  /** Tokens of the contract of disputes. */
  readonly disputesMicroUsd: bigint
}

function totalsOf(
  state: Ledger.State,
  { domain, parameters }: { domain: Domain; parameters: Parameters },
): Totals {
  const sum = <item>(items: Iterable<item>, amount: (item: item) => bigint) =>
    [...items].reduce((total, item) => total + amount(item), 0n)
  return {
    freeMicroUsd: sum(state.deposits.values(), (deposit) => deposit.freeMicroUsd),
    reservedMicroUsd: sum(state.deposits.values(), (deposit) => deposit.reservedMicroUsd),
    earnedMicroUsd: sum(state.earned.values(), (amount) => amount),
    vaultMicroUsd: state.balances.get(domain.vault) ?? 0n,
    stakedMicroUsd: sum(
      state.registrations.values(),
      ({ stakeMicroUsd, unbondingMicroUsd }) => stakeMicroUsd + unbondingMicroUsd,
    ),
    registryMicroUsd: state.balances.get(parameters.registry) ?? 0n,
    supplyMicroUsd: sum(state.balances.values(), (amount) => amount),
    creditMicroUsd: sum(
      state.credits.values(),
      ({ freeMicroUsd, reservedMicroUsd }) => freeMicroUsd + reservedMicroUsd,
    ),
    disputesMicroUsd: state.balances.get(parameters.disputes.address) ?? 0n,
  }
}

/**
 * Blocks and the transactions that wait for one. Empty blocks are not stored: with a block time the
 * clock says how many there are.
 */
function blockchain(
  { clock, blockTimeMs }: { clock: Clock; blockTimeMs: number },
  contextOf: (sender: Hex.Address, head: Head) => Ledger.Context,
) {
  const genesisMs = clock.now()
  const state = Ledger.empty() as MutableState
  const filled: Block[] = []
  /** Height from which each reorganisation replaced the blocks. */
  const forks: number[] = []
  let waiting: Pending[] = []
  let mined = 0
  let sequence = 0

  const height = () =>
    blockTimeMs > 0 ? Math.floor((clock.now() - genesisMs) / blockTimeMs) : mined
  const blockAt = (number: number, timestampMs: number): Head => ({
    number: BigInt(number),
    hash: digestOf(`block ${number} of fork ${forks.filter((from) => from <= number).length}`),
    timestampSeconds: Math.floor(timestampMs / 1000),
  })
  const headAt = (number: number): Head => {
    if (blockTimeMs > 0) return blockAt(number, genesisMs + number * blockTimeMs)
    const stored = filled.findLast((block) => block.number <= number)
    return blockAt(number, stored?.timestampMs ?? genesisMs)
  }

  const mine = (number: number, transactions: readonly Pending[]) => {
    const timestampMs = blockTimeMs > 0 ? genesisMs + number * blockTimeMs : clock.now()
    const head = blockAt(number, timestampMs)
    const block: Block = { number, timestampMs, included: [] }
    filled.push(block)
    mined = number
    for (const { sender, action, hash, resolve, reject } of transactions) {
      const result = Ledger.apply(state, action, contextOf(sender, head))
      if (result.type === 'refused') {
        reject(new RevertedError({ action: action.type, error: result.error }))
        continue
      }
      block.included.push({ hash, events: result.events, undo: merge(state, result.changes) })
      resolve({ transaction: hash, block: head.number, gasUsed: 0n })
    }
  }

  const catchUp = () => {
    const due = waiting.filter(({ block }) => block <= height())
    if (due.length === 0) return
    waiting = waiting.filter(({ block }) => block > height())
    mine(due[0]!.block, due)
  }

  const wake = async () => {
    for (;;) {
      catchUp()
      const [next] = waiting
      if (!next) return
      await clock.sleep(genesisMs + next.block * blockTimeMs - clock.now())
    }
  }

  return {
    state: state as Ledger.State,
    head: () => headAt(height()),
    catchUp,

    mint(to: Hex.Address, amountMicroUsd: bigint) {
      state.balances.set(to, (state.balances.get(to) ?? 0n) + amountMicroUsd)
    },

    submit(sender: Hex.Address, action: Action, signal?: AbortSignal): Promise<Sent> {
      catchUp()
      if (waiting.length >= waitingLimit)
        throw new UnavailableError({
          cause: new Error(`${waitingLimit} transactions wait already`),
        })
      const hash = digestOf(`transaction ${sequence++} of ${sender}`)
      return new Promise<Sent>((resolve, reject) => {
        signal?.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
        const block = height() + 1
        const pending: Pending = { sender, action, hash, block, resolve, reject }
        if (blockTimeMs === 0) {
          mine(block, [pending])
          return
        }
        waiting.push(pending)
        if (waiting.length === 1) void wake()
      })
    },

    /** Nobody hears of the waiting transactions any more; those that `lose` picks do not happen. */
    forsake(lose: () => boolean) {
      const cause = new Error('the connection broke while the transaction waited for a block')
      for (const { reject } of waiting) reject(new UnavailableError({ cause }))
      waiting = waiting.filter(() => !lose())
    },

    rollback(count: number) {
      catchUp()
      const from = Math.max(1, height() - count + 1)
      while (filled.length > 0 && filled.at(-1)!.number >= from)
        for (const { undo } of filled.pop()!.included.toReversed()) undo()
      forks.push(from)
      if (blockTimeMs === 0) mined = Math.min(mined, from - 1)
    },

    events({ from, to }: { from: bigint; to: bigint }): readonly ChainEvent[] {
      return filled
        .filter(({ number }) => number >= from && number <= to)
        .flatMap(({ number, timestampMs, included }) => {
          const { hash: blockHash, timestampSeconds } = blockAt(number, timestampMs)
          const place = { block: BigInt(number), blockHash, timestampSeconds }
          return included.flatMap(({ hash, events }) =>
            events.map((event) => ({ ...place, transaction: hash, ...event }) as ChainEvent),
          )
        })
    },
  }
}

const waitingLimit = 10_000

type Pending = {
  readonly sender: Hex.Address
  readonly action: Action
  readonly hash: Hex.Hex
  /** The block it goes into. */
  readonly block: number
  readonly resolve: (sent: Sent) => void
  readonly reject: (error: Error) => void
}

type Block = {
  readonly number: number
  readonly timestampMs: number
  readonly included: {
    readonly hash: Hex.Hex
    readonly events: readonly Ledger.LedgerEvent[]
    readonly undo: () => void
  }[]
}

type MutableState = { readonly [table in keyof Ledger.State]: Map<Hex.Hex, never> } & {
  readonly balances: Map<Hex.Address, bigint>
}

const tables = [
  'deposits',
  'leases',
  'earned',
  'registrations',
  'credits',
  'claims',
  'disputes',
] as const satisfies readonly Exclude<keyof Ledger.State, 'balances'>[]

/** What the contract says of a claim now: whether it is final depends on the time. */
function claimState(
  { claims }: Ledger.State,
  id: Hex.Hex,
  { claim, nowSeconds }: { claim: ExactClaim.ExactClaim; nowSeconds: number },
): ClaimState {
  const { state, bondMicroUsd, open } = claims.get(id) ?? Ledger.noClaim
  const isPending = state !== 'rejected' && open === 0 && claim.steps > 0
  const isFinal = isPending && nowSeconds > claim.challengeUntil
  return { state: isFinal ? 'final' : state, bondMicroUsd, open }
}

/** Writes changes into the state and returns what takes them back. */
function merge(state: MutableState, changes: Ledger.State): () => void {
  const undo: (() => void)[] = []
  // Balances are taken back by difference, because money may have been minted outside blocks since.
  for (const [holder, after] of changes.balances) {
    const difference = after - (state.balances.get(holder) ?? 0n)
    state.balances.set(holder, after)
    undo.push(() => state.balances.set(holder, (state.balances.get(holder) ?? 0n) - difference))
  }
  for (const name of tables) {
    const table = state[name]
    for (const [key, after] of changes[name]) {
      const before = table.get(key)
      table.set(key, after as never)
      undo.push(() => (before === undefined ? table.delete(key) : table.set(key, before)))
    }
  }
  return () => {
    for (const step of undo.toReversed()) step()
  }
}

function digestOf(text: string): Hex.Hex {
  return Hex.keccak256(new TextEncoder().encode(text))
}

function addressOf(byte: string): Hex.Address {
  return `0x${byte.repeat(20)}`
}
