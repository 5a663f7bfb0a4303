import type * as Bid from '../protocol/Bid.ts'
import type * as Hex from '../protocol/Hex.ts'
import * as Lease from '../protocol/Lease.ts'
import type * as Receipt from '../protocol/Receipt.ts'
import type { Signed } from '../protocol/SignedMessage.ts'
import type { Clock } from '../runtime/Clock.ts'
import type { Write } from '../runtime/Store.ts'
import { addLease, forgetLease, saveProgress, settleLease } from './Journal.ts'
import type { Deal, Journal, LeaseRow, Progress } from './Journal.ts'
import * as Meter from './Meter.ts'
import { RefusedError } from './RefusedError.ts'
import { createTurns } from './turns.ts'

/**
 * The leases that are not settled, in memory and in the journal. Every change goes to the journal first;
 * when the write fails, nothing has changed. Changes of one lease happen one after another.
 */
export type LeaseBook = {
  readonly size: number
  all(): readonly Held[]
  /** @throws {RefusedError} when there is no such lease, or it is another buyer's. */
  of(buyer: Hex.Address, id: Hex.Hex): Held
  find(id: Hex.Hex): Held | undefined
  /** How many leases a buyer holds. */
  countOf(buyer: Hex.Address): number
  add(deal: Deal): Promise<Held>
  /** Applies a change in the turn of its lease; undefined changes nothing. */
  change(held: Held, decide: () => Change | undefined): Promise<void>
  /** Forgets a lease that never came to the chain. */
  forget(held: Held): Promise<void>
  /** Puts a lease aside that is over. */
  settle(held: Held, writes: readonly Write[]): Promise<void>
}

export type Change = Partial<Progress> & {
  /** The same lease with a higher total or a later expiry. */
  readonly lease?: Signed<Lease.Lease> | undefined
  /** Other rows that must be written with it. */
  readonly writes?: readonly Write[] | undefined
  /** Whether it must be on the disk at once; see `Store.write`. @default 'now' */
  readonly sync?: 'now' | 'soon' | undefined
}

/** A lease in memory. What the journal keeps of it changes only through the book. */
export type Held = {
  readonly id: Hex.Hex
  readonly key: Lease.Key
  readonly bid: Bid.Bid
  readonly deal: Deal
  readonly progress: Progress
  /** What runs now, and the most it may cost; probes cost nothing. */
  readonly running: Map<Hex.Hex, bigint>
  /** Jobs started in this life, with the time until which they could be sent again. */
  readonly tried: Map<Hex.Hex, number>
  /** Receipts neither paid nor refused, oldest first. */
  readonly unpaid: Map<Hex.Hex, Signed<Receipt.Receipt>>
  /** The chain has lost the lease and refuses to take it back. */
  unsecured: boolean
  /** The funds are being released: no voucher is taken any more. */
  releasing: boolean
  /** The block at which the chain was first seen to say that it is closed. */
  closedAtBlock: bigint | undefined
}

/** Fills the book with what the journal holds. */
export async function openLeaseBook(ports: openLeaseBook.Ports): Promise<LeaseBook> {
  const { journal, clock } = ports
  const leases = new Map<Hex.Hex, Mutable>()
  const inTurn = createTurns()
  for (const row of await journal.leases()) leases.set(row.id, hold(row))
  for (const receipt of (await journal.unpaid()).toSorted(byTime))
    leases.get(receipt.message.lease)?.unpaid.set(receipt.message.job, receipt)

  return {
    get size() {
      return leases.size
    },
    all: () => [...leases.values()],
    find: (id) => leases.get(id),
    of(buyer, id) {
      const held = leases.get(id)
      if (held?.key.buyer === buyer) return held
      throw new RefusedError('Provider.UnknownLeaseError', `You hold no lease ${id} here.`)
    },
    countOf: (buyer) => [...leases.values()].filter(({ key }) => key.buyer === buyer).length,
    async add(deal) {
      const progress: Progress = { meter: Meter.start(clock.now()), claimedMicroUsd: 0n }
      const row = { ...deal, ...progress, id: Lease.id(deal.lease.message) }
      await journal.write(addLease(row))
      const held = hold(row)
      leases.set(held.id, held)
      return held
    },
    change: (held, decide) =>
      inTurn(held.id, async () => {
        const current = leases.get(held.id)
        if (current !== held)
          throw new RefusedError('Provider.LeaseClosedError', `The lease ${held.id} is settled.`)
        const change = decide()
        if (!change) return
        const { writes = [], lease, sync, ...changed } = change
        const progress = { ...held.progress, ...changed }
        const deal = lease ? { ...held.deal, lease } : held.deal
        const row = { id: held.id, ...deal, ...progress }
        const rows = [...(lease ? addLease(row) : [saveProgress(row)]), ...writes]
        await journal.write(rows, { sync })
        current.progress = progress
        current.deal = deal
      }),
    forget: (held) =>
      inTurn(held.id, async () => {
        await journal.write(forgetLease(held.id))
        leases.delete(held.id)
      }),
    settle: (held, writes) =>
      inTurn(held.id, async () => {
        const aside = settleLease(held.id, { unpaid: held.unpaid.keys(), now: clock.now() })
        await journal.write([...aside, ...writes])
        leases.delete(held.id)
      }),
  }
}

export declare namespace openLeaseBook {
  type Ports = { journal: Journal; clock: Clock }
}

type Mutable = Omit<Held, 'deal' | 'progress'> & { deal: Deal; progress: Progress }

const byTime = (a: Signed<Receipt.Receipt>, b: Signed<Receipt.Receipt>) =>
  a.message.endedAt - b.message.endedAt

function hold({ id, lease, bid, order, ...progress }: LeaseRow): Mutable {
  const { buyer, provider, nonce } = lease.message
  return {
    id,
    key: { buyer, provider, nonce },
    bid: bid.message,
    deal: { lease, bid, order },
    progress,
    running: new Map(),
    tried: new Map(),
    unpaid: new Map(),
    unsecured: false,
    releasing: false,
    closedAtBlock: undefined,
  }
}
