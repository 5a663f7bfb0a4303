import { RevertedError, type Chain } from '../chain/Chain.ts'
import type * as Hex from '../protocol/Hex.ts'
import * as Lease from '../protocol/Lease.ts'
import { every, type Clock } from '../runtime/Clock.ts'
import { codeOf, messageOf } from '../runtime/Errors.ts'
import type { Logger } from '../runtime/Logger.ts'
import { claimOf, owedMicroUsd, planClaims, type Claimable, type Item } from './planClaims.ts'

/** A running settlement: it claims what vouchers promise, closes leases that are over, and takes earnings home. */
export type Settlement = AsyncDisposable & {
  /** One round now, instead of at the next interval. @throws {UnavailableError} when the chain cannot be reached. */
  settle(): Promise<Round>
}

/** What one round did. */
export type Round = {
  readonly claimedMicroUsd: bigint
  readonly vouchers: number
  readonly closed: number
  readonly withdrawnMicroUsd: bigint
}

/**
 * Starts settling for one provider. It keeps nothing: every round compares what the journal promises
 * (`claimables`) with what the chain says, so a claim that a rollback took is sent again, and whatever
 * dies half-way is done by the next round.
 */
export async function startSettlement(
  ports: startSettlement.Ports,
  options: startSettlement.Options = {},
): Promise<Settlement> {
  const { chain, clock, logger, claimables } = ports
  const settings = { ...defaults, ...definedOnly(options) }
  await using stack = new AsyncDisposableStack()
  const controller = new AbortController()
  const { signal } = controller
  const notes = new Map<Hex.Hex, Note>()
  let last: Promise<unknown> = Promise.resolve()

  async function settle(): Promise<Round> {
    const before = await look()
    const claimed = await claimAll(before.batches)
    const { closes } = claimed.vouchers > 0 ? await look() : before
    let closed = 0
    for (const item of closes) if (await close(item)) closed++
    return { ...claimed, closed, withdrawnMicroUsd: await withdraw() }
  }

  /** What is owed, what the chain says, and what to do about it. */
  async function look() {
    const head = await chain.head()
    const entries = await claimables()
    const items: Item[] = []
    const seen = new Set<Hex.Hex>()
    for (const entry of entries) {
      const id = Lease.id(entry.key)
      const state = await chain.lease(entry.key)
      const note = nextNote(notes.get(id), { ...entry, state }, head.number, clock.now())
      notes.set(id, note)
      seen.add(id)
      if (note.retryAt <= clock.now()) items.push({ ...entry, state, ...note })
    }
    for (const id of notes.keys()) if (!seen.has(id)) notes.delete(id)
    return planClaims(items, {
      ...settings,
      nowMs: clock.now(),
      headNumber: head.number,
      headSeconds: head.timestampSeconds,
    })
  }

  async function claimAll(batches: readonly (readonly Item[])[]) {
    let claimedMicroUsd = 0n
    let vouchers = 0
    for (const batch of batches)
      for (const group of Map.groupBy(batch, ({ key }) => key.provider).values()) {
        const done = await claim(group)
        vouchers += done.length
        for (const item of done) claimedMicroUsd += owedMicroUsd(item)
      }
    return { claimedMicroUsd, vouchers }
  }

  /** All or none: when the chain refuses a batch, its halves are tried, down to the voucher that is at fault. */
  async function claim(items: readonly Item[]): Promise<readonly Item[]> {
    const [first] = items
    if (!first) return []
    const { provider } = first.key
    try {
      const sent = await chain.send(
        { type: 'claim', provider, claims: items.map(claimOf) },
        { signal },
      )
      logger.info({ vouchers: items.length, transaction: sent.transaction }, 'Claimed.')
      return items
    } catch (error) {
      if (!(error instanceof RevertedError)) throw error
      if (items.length === 1) {
        postpone(first, error)
        return []
      }
      const middle = Math.ceil(items.length / 2)
      return [...(await claim(items.slice(0, middle))), ...(await claim(items.slice(middle)))]
    }
  }

  async function close(item: Item): Promise<boolean> {
    const left = owedMicroUsd(item)
    if (left > 0n)
      logger.warn({ lease: Lease.id(item.key), leftMicroUsd: left }, 'Closed with a voucher left.')
    try {
      await chain.send({ type: 'close-lease', key: item.key }, { signal })
      return true
    } catch (error) {
      if (!(error instanceof RevertedError)) throw error
      postpone(item, error)
      return false
    }
  }

  /** The rest goes on; this one is tried again later. */
  function postpone(item: Item, error: RevertedError): void {
    const id = Lease.id(item.key)
    const note = notes.get(id)
    if (note) notes.set(id, { ...note, retryAt: clock.now() + settings.retryMs })
    logger.warn({ lease: id, code: error.code, reason: messageOf(error) }, 'The chain refused.')
  }

  async function withdraw(): Promise<bigint> {
    const { withdrawAboveMicroUsd } = settings
    if (withdrawAboveMicroUsd === undefined) return 0n
    const earned = await chain.earned(chain.account)
    if (earned === 0n || earned < withdrawAboveMicroUsd) return 0n
    await chain.send({ type: 'withdraw-earned' }, { signal })
    return earned
  }

  /** Rounds never overlap: two would send the same claims. */
  const inTurn = () => {
    const round = last.then(settle, settle)
    last = round.catch(() => {})
    return round
  }

  const onError = (error: unknown) =>
    logger.warn({ code: codeOf(error), reason: messageOf(error) }, 'A round of settlement failed.')
  const loop = every(clock, settings.intervalMs, async () => void (await inTurn()), {
    signal,
    onError,
  })
  stack.defer(() => loop)
  stack.defer(() => controller.abort(new DOMException('Settlement stops.', 'AbortError')))
  const owned = stack.move()
  return { settle: inTurn, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

export declare namespace startSettlement {
  type Ports = {
    /** As the provider, so that earnings can be withdrawn and leases closed before their expiry. */
    chain: Chain
    clock: Clock
    logger: Logger
    /** What the provider's journal holds, freshly read. A voucher stays in it until its lease is settled. */
    claimables: () => Promise<readonly Claimable[]>
  }
  type Options = {
    /** @default 5_000 */
    intervalMs?: number | undefined
    /** Vouchers of one transaction. @default 100 */
    batchSize?: number | undefined
    /** Claim when this much has gathered. @default 1 USD */
    batchMicroUsd?: bigint | undefined
    /** What the gas of one voucher costs; less is not worth claiming. @default 0 */
    voucherCostMicroUsd?: bigint | undefined
    /** The longest that a voucher waits. @default 30_000 */
    maxAgeMs?: number | undefined
    /** How long before its expiry a lease is claimed whatever it is worth. @default 120 */
    expiryMarginSeconds?: number | undefined
    /** Blocks after which a claim is believed. @default 2 */
    confirmations?: number | undefined
    /** When set, earnings of at least this much are withdrawn to the provider's account. */
    withdrawAboveMicroUsd?: bigint | undefined
    /** After how long what the chain refused is tried again. @default 60_000 */
    retryMs?: number | undefined
  }
}

const defaults = {
  intervalMs: 5_000,
  batchSize: 100,
  batchMicroUsd: 1_000_000n,
  voucherCostMicroUsd: 0n,
  maxAgeMs: 30_000,
  expiryMarginSeconds: 120,
  confirmations: 2,
  withdrawAboveMicroUsd: undefined as bigint | undefined,
  retryMs: 60_000,
}

function definedOnly(options: startSettlement.Options): Partial<typeof defaults> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}

/** What is remembered of a lease between rounds; forgetting it costs time, never money. */
type Note = {
  readonly owedSince: number
  readonly paidAtBlock: bigint | undefined
  readonly retryAt: number
}

function nextNote(
  before: Note | undefined,
  item: Pick<Item, 'voucher' | 'state'>,
  headNumber: bigint,
  now: number,
): Note {
  const owes = owedMicroUsd(item) > 0n
  const block = before?.paidAtBlock
  const paidAtBlock = block === undefined || headNumber < block ? headNumber : block
  return {
    owedSince: owes && before?.paidAtBlock === undefined ? (before?.owedSince ?? now) : now,
    paidAtBlock: owes ? undefined : paidAtBlock,
    retryAt: before?.retryAt ?? 0,
  }
}
