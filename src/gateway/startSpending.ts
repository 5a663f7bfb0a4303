import type { Buyer } from '../buyer/Buyer.ts'
import type * as Hex from '../protocol/Hex.ts'
import type { Clock } from '../runtime/Clock.ts'
import { BaseError, codeOf } from '../runtime/Errors.ts'
import type { Logger } from '../runtime/Logger.ts'
import type { Store, Write } from '../runtime/Store.ts'
import type { ApiKey } from './keys.ts'

/**
 * What each API key has spent and may still spend. A key is charged exactly what the buyer pays for
 * its jobs; what a job may cost at most is set aside before it is sent, so that requests side by side
 * cannot pass the cap together.
 */
export type Spending = AsyncDisposable & {
  /** Where a key stands now. */
  account(key: ApiKey): Promise<Account>
  /**
   * Sets aside at least `atLeastMicroUsd`, and up to `atMostMicroUsd` while there is plenty.
   *
   * @throws {CapError} when the key has less than that left.
   * @throws {HeldError} when it has, but requests in flight hold it.
   * @throws {BacklogError} when too many of its jobs wait for their last word.
   */
  reserve(
    key: ApiKey,
    amount: { atLeastMicroUsd: bigint; atMostMicroUsd: bigint },
  ): Promise<Reservation>
  /** Whether this key bought the job. */
  owns(key: ApiKey, job: Hex.Hex): Promise<boolean>
  /** Charged for good since the start, all keys together. */
  readonly chargedMicroUsd: bigint
}

export type Account = {
  readonly capMicroUsd: bigint
  /** Paid for good, or delivered and waiting for its verdict. */
  readonly spentMicroUsd: bigint
  readonly reservedMicroUsd: bigint
  readonly availableMicroUsd: bigint
}

/** Money set aside for one job. The first `settle` or `release` ends it; later ones do nothing. */
export type Reservation = {
  readonly amountMicroUsd: bigint
  /**
   * Ties the job to the key on disk, before any of its answer leaves: from here on a crash loses
   * neither the charge nor the refund.
   *
   * @throws {WriteError} when the store cannot; abort the job then.
   */
  attach(job: Hex.Hex): Promise<void>
  /** The job was delivered at this price. The buyer's record has the last word: paid, or refunded. */
  settle(priceMicroUsd: bigint): void
  /** The job ended without an answer. The buyer's record has the last word; usually nothing is paid. */
  release(): void
}

/** Starts the accounts, and settles what a crash left open from the buyer's records. */
export async function startSpending(
  ports: startSpending.Ports,
  options: startSpending.Options = {},
): Promise<Spending> {
  const { buyer, store, clock, logger } = ports
  const { openLimit = 100_000, batchMs = 20, retryMs = 1000 } = options
  const controller = new AbortController()
  const { signal } = controller
  const accounts = new Map<string, Promise<Balance>>()
  const ended: Ended[] = []
  const working = new Set<Promise<void>>()
  let chargedMicroUsd = 0n
  let booking = false

  const balanceOf = (keyId: string): Promise<Balance> => {
    const found = accounts.get(keyId) ?? load(store, keyId)
    accounts.set(keyId, found)
    return found
  }
  const track = (work: Promise<void>): void => {
    working.add(work)
    void work.finally(() => working.delete(work))
  }

  /** Waits for the buyer's last word on a job, then hands it to `book`. */
  const follow = async (entry: Open): Promise<void> => {
    try {
      const paidMicroUsd = await lastWord(buyer, entry.job, signal)
      ended.push({ ...entry, paidMicroUsd })
      if (!booking) track(book())
    } catch (error) {
      if (signal.aborted) return
      logger.error({ error, code: codeOf(error), job: entry.job }, 'no last word on a job')
    }
  }

  /** Books the jobs that have ended, many in one write; a full disk is waited out. */
  const book = async (): Promise<void> => {
    booking = true
    while (ended.length > 0) {
      await clock.sleep(batchMs, { signal }).catch(() => undefined)
      const batch = ended.slice(0, batchLimit)
      try {
        await store.write(finalWrites(batch), { sync: 'soon' })
        ended.splice(0, batch.length)
        for (const entry of batch) {
          settleInMemory(entry)
          chargedMicroUsd += entry.paidMicroUsd
        }
      } catch (error) {
        logger.error({ error, code: codeOf(error), jobs: batch.length }, 'charges not yet written')
        if (signal.aborted) break
        await clock.sleep(retryMs, { signal }).catch(() => undefined)
      }
    }
    booking = false
  }

  for (const { keyId, job, reservedMicroUsd } of await listOpen(store)) {
    const balance = await balanceOf(keyId)
    balance.reservedMicroUsd += reservedMicroUsd
    balance.openCount++
    track(follow({ keyId, job, balance, heldMicroUsd: reservedMicroUsd, delivered: false }))
  }

  return {
    get chargedMicroUsd() {
      return chargedMicroUsd
    },
    account: async (key) => accountOf(key, await balanceOf(key.id)),
    owns: async (key, job) => (await store.get(tables.owners, job)) === key.id,
    async reserve(key, { atLeastMicroUsd, atMostMicroUsd }) {
      const balance = await balanceOf(key.id)
      const account = accountOf(key, balance)
      if (account.spentMicroUsd + atLeastMicroUsd > key.capMicroUsd)
        throw new CapError({ key, account, neededMicroUsd: atLeastMicroUsd })
      if (account.availableMicroUsd < atLeastMicroUsd)
        throw new HeldError({ key, account, neededMicroUsd: atLeastMicroUsd })
      if (balance.openCount >= openLimit) throw new BacklogError({ open: balance.openCount })
      // More than it needs a job gets only as far as three others like it still find room.
      const spare = min(account.availableMicroUsd / 4n, atMostMicroUsd)
      const amount = spare > atLeastMicroUsd ? spare : atLeastMicroUsd
      return reserveIn(
        { store, balance, keyId: key.id, end: (entry) => track(follow(entry)) },
        amount,
      )
    },
    async [Symbol.asyncDispose]() {
      controller.abort(new Error('The gateway stops.'))
      await Promise.all(working)
    },
  }
}

/**
 * Where a key stands as written on disk, for commands that run beside a gateway: everything open counts
 * as reserved.
 */
export async function readAccount({ store }: { store: Store }, key: ApiKey): Promise<Account> {
  const balance = await load(store, key.id)
  for (const { keyId, reservedMicroUsd } of await listOpen(store))
    if (keyId === key.id) balance.reservedMicroUsd += reservedMicroUsd
  return accountOf(key, balance)
}

export declare namespace startSpending {
  type Ports = { buyer: Buyer; store: Store; clock: Clock; logger: Logger }
  type Options = {
    /** Jobs of one key that may wait for their last word. @default 100_000 */
    openLimit?: number | undefined
    /** How long ended jobs gather before they are written together. @default 20 */
    batchMs?: number | undefined
    /** Pause after a write that failed. @default 1000 */
    retryMs?: number | undefined
  }
}

/** One key's money. `final` is on disk; the rest is rebuilt from the open entries after a crash. */
type Balance = {
  finalMicroUsd: bigint
  deliveredMicroUsd: bigint
  reservedMicroUsd: bigint
  openCount: number
}

/** A job that awaits its last word; `held` counts as delivered or as reserved until then. */
type Open = {
  readonly keyId: string
  readonly job: Hex.Hex
  readonly balance: Balance
  readonly heldMicroUsd: bigint
  readonly delivered: boolean
}
type Ended = Open & { readonly paidMicroUsd: bigint }

const tables = { spent: 'gateway-spent', open: 'gateway-open', owners: 'gateway-jobs' } as const
const batchLimit = 500

function reserveIn(
  ports: { store: Store; balance: Balance; keyId: string; end: (entry: Open) => void },
  amountMicroUsd: bigint,
): Reservation {
  const { store, balance, keyId } = ports
  let attached: Hex.Hex | undefined
  let done = false
  balance.reservedMicroUsd += amountMicroUsd
  balance.openCount++
  const end = (priceMicroUsd?: bigint) => {
    if (done) return
    done = true
    const delivered = attached !== undefined && priceMicroUsd !== undefined
    const heldMicroUsd = delivered ? priceMicroUsd : amountMicroUsd
    if (delivered) {
      balance.reservedMicroUsd -= amountMicroUsd
      balance.deliveredMicroUsd += priceMicroUsd
    }
    if (attached !== undefined)
      return ports.end({ keyId, job: attached, balance, heldMicroUsd, delivered })
    balance.reservedMicroUsd -= amountMicroUsd
    balance.openCount--
  }
  return {
    amountMicroUsd,
    async attach(job) {
      if (attached !== undefined || done) throw new RangeError('A reservation holds one job.')
      attached = job
      await store.write(
        [
          { table: tables.owners, key: job, value: keyId },
          { table: tables.open, key: job, value: `${keyId} ${amountMicroUsd}` },
        ],
        { sync: 'soon' },
      )
    },
    settle: end,
    release: () => end(),
  }
}

/** The write that makes a batch final: the new sums, and the open entries gone. All or nothing. */
function finalWrites(batch: readonly Ended[]): readonly Write[] {
  const sums = new Map<string, bigint>()
  for (const { keyId, balance, paidMicroUsd } of batch)
    sums.set(keyId, (sums.get(keyId) ?? balance.finalMicroUsd) + paidMicroUsd)
  return [
    ...batch.map(({ job }) => ({ table: tables.open, key: job, value: undefined })),
    ...[...sums].map(([key, sum]) => ({ table: tables.spent, key, value: sum.toString() })),
  ]
}

function settleInMemory({ balance, heldMicroUsd, delivered, paidMicroUsd }: Ended): void {
  if (delivered) balance.deliveredMicroUsd -= heldMicroUsd
  else balance.reservedMicroUsd -= heldMicroUsd
  balance.finalMicroUsd += paidMicroUsd
  balance.openCount--
}

function accountOf(key: ApiKey, balance: Balance): Account {
  const spentMicroUsd = balance.finalMicroUsd + balance.deliveredMicroUsd
  const left = key.capMicroUsd - spentMicroUsd - balance.reservedMicroUsd
  return {
    capMicroUsd: key.capMicroUsd,
    spentMicroUsd,
    reservedMicroUsd: balance.reservedMicroUsd,
    availableMicroUsd: left > 0n ? left : 0n,
  }
}

/** What the buyer paid for the job in the end. A job the buyer never wrote down was never sent. */
async function lastWord(buyer: Buyer, job: Hex.Hex, signal: AbortSignal): Promise<bigint> {
  if (!(await buyer.job(job))) return 0n
  const record = await buyer.settled(job, { signal })
  return record.state === 'paid' ? record.priceMicroUsd : 0n
}

async function load(store: Store, keyId: string): Promise<Balance> {
  const spent = await store.get(tables.spent, keyId)
  return {
    finalMicroUsd: BigInt(spent ?? 0),
    deliveredMicroUsd: 0n,
    reservedMicroUsd: 0n,
    openCount: 0,
  }
}

async function listOpen(store: Store) {
  const found: { keyId: string; job: Hex.Hex; reservedMicroUsd: bigint }[] = []
  for (let after: string | undefined; ;) {
    const entries = await store.list(tables.open, { after })
    for (const { key, value } of entries) {
      const [keyId, reserved] = value.split(' ')
      found.push({ keyId: keyId!, job: key as Hex.Hex, reservedMicroUsd: BigInt(reserved!) })
    }
    after = entries.at(-1)?.key
    if (after === undefined) return found
  }
}

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b
}

/** Thrown when a key's cap does not allow another job. */
export class CapError extends BaseError {
  override readonly code = 'Gateway.CapError'

  constructor(facts: CapFacts) {
    super('The API key has reached its spend cap.', {
      metaMessages: [
        ...capLines(facts),
        `Fix: ask for fewer tokens, or use a key with a higher cap than ${facts.key.prefix}...`,
      ],
    })
  }
}

/** Thrown when requests in flight hold what a job may cost; they end, and usually cost less. */
export class HeldError extends BaseError {
  override readonly code = 'Gateway.HeldError'

  constructor(facts: CapFacts) {
    super('What is left of the spend cap is held by requests in flight.', {
      metaMessages: [...capLines(facts), 'Fix: wait for them to end.'],
    })
  }
}

type CapFacts = { key: ApiKey; account: Account; neededMicroUsd: bigint }

function capLines({ account, neededMicroUsd }: CapFacts): readonly string[] {
  return [
    `This request may cost up to ${neededMicroUsd} micro-USD; the key has ${account.availableMicroUsd} left.`,
    `Cap: ${account.capMicroUsd}, spent: ${account.spentMicroUsd}, in flight: ${account.reservedMicroUsd}.`,
  ]
}

/** Thrown when too many jobs of one key await their last word. */
export class BacklogError extends BaseError {
  override readonly code = 'Gateway.BacklogError'

  constructor({ open }: { open: number }) {
    super('Too many answers of this API key still wait for their verdict.', {
      metaMessages: [`Waiting: ${open}`, 'Fix: wait some seconds.'],
    })
  }
}
