import type { MemoryChain } from '../src/chain/memory.ts'
import * as Exchange from '../src/protocol/Exchange.ts'
import type * as Hex from '../src/protocol/Hex.ts'
import * as Verdict from '../src/protocol/Verdict.ts'
import type { Store, Write } from '../src/runtime/Store.ts'
import type { Call } from './world.ts'

/** What must hold in every world, at every moment and at its end. */
export type Invariants = {
  minted(amountMicroUsd: bigint): void
  /** This provider's answers are right. */
  honest(provider: Hex.Address): void
  wrote(writes: readonly Write[]): void
  published(topic: string, body: Uint8Array): void
  fail(what: string): void
  /** After every event. */
  check(): void
  /** When everything has come to rest. */
  checkEnd(
    buyers: readonly { readonly name: string; readonly store: Store }[],
    facts: { readonly calls: readonly Call[] },
  ): Promise<void>
}

/** Thrown when an invariant does not hold. */
export class Violation extends Error {
  override readonly name = 'Violation'
}

/** Watches a chain and the journals of buyers. */
export function createInvariants(chain: MemoryChain): Invariants {
  const signed = new Map<string, bigint>()
  const honest = new Set<Hex.Address>()
  let minted = 0n
  let failure: string | undefined

  const hold = (condition: boolean, what: () => string) => {
    if (!condition) throw new Violation(what())
  }
  const later = (condition: boolean, what: () => string) => {
    // Noticed inside a service, where throwing would only be another of its errors.
    if (!condition) failure ??= what()
  }

  /** Money is neither made nor lost. */
  function conserved(): void {
    const t = chain.totals()
    const vault = t.freeMicroUsd + t.reservedMicroUsd + t.earnedMicroUsd
    hold(
      vault === t.vaultMicroUsd,
      () => `the vault has ${t.vaultMicroUsd}, its books say ${vault}`,
    )
    hold(t.stakedMicroUsd === t.registryMicroUsd, () => 'the registry does not hold the stakes')
    hold(t.supplyMicroUsd === minted, () => `${t.supplyMicroUsd} exist, ${minted} were minted`)
  }

  /** Nobody takes more than the buyer has signed and written down. */
  function covered(): void {
    for (const [id, { claimedMicroUsd, totalMicroUsd }] of chain.state().leases) {
      const promised = signed.get(id) ?? 0n
      hold(
        claimedMicroUsd <= promised,
        () => `${claimedMicroUsd} claimed, ${promised} signed: ${id}`,
      )
      hold(claimedMicroUsd <= totalMicroUsd, () => `${claimedMicroUsd} claimed of ${totalMicroUsd}`)
    }
  }

  return {
    minted: (amount) => void (minted += amount),
    honest: (provider) => void honest.add(provider),
    fail: (what) => void (failure ??= what),
    wrote(writes) {
      for (const { table, key, value } of writes) {
        if (!table.startsWith('buyer-leases') || value === undefined) continue
        const row = JSON.parse(value) as LeaseRow
        const before = signed.get(key) ?? 0n
        const after = BigInt(row.voucher?.message.cumulativeMicroUsd ?? 0)
        later(after >= before, () => `a voucher went down from ${before} to ${after}: ${key}`)
        const total = BigInt(row.lease.message.totalMicroUsd)
        later(after <= total, () => `a voucher of ${after} in a lease of ${total}: ${key}`)
        signed.set(key, after > before ? after : before)
      }
    },
    published(topic, body) {
      if (topic !== Exchange.topics.verdicts) return
      const { outcome, provider, reason } = Verdict.deserialize(body).message
      const wronged = outcome === 'invalid' && honest.has(provider)
      later(!wronged, () => `an honest provider was found guilty: ${reason}`)
    },
    check() {
      if (failure !== undefined) throw new Violation(failure)
      conserved()
      covered()
    },
    async checkEnd(buyers, { calls }) {
      for (const [id, { state, claimedMicroUsd }] of chain.state().leases) {
        hold(state === 'closed', () => `the lease ${id} never ended`)
        const promised = signed.get(id) ?? 0n
        hold(
          claimedMicroUsd === promised,
          () => `${promised} signed, ${claimedMicroUsd} paid: ${id}`,
        )
      }
      const rows = (await Promise.all(buyers.map(({ store }) => jobsOf(store)))).flat()
      for (const { job, state } of rows)
        hold(isFinal(state), () => `the job ${job} is ${state} for ever`)
      const paid = new Map<string, bigint>()
      for (const { lease, state, priceMicroUsd } of rows) {
        const price = BigInt(priceMicroUsd)
        hold(state === 'paid' || price === 0n, () => `a ${state} job costs ${price}`)
        paid.set(lease, (paid.get(lease) ?? 0n) + price)
      }
      for (const [lease, promised] of signed)
        hold(
          promised === (paid.get(lease) ?? 0n),
          () => `${promised} signed for ${paid.get(lease)}`,
        )
      const states = new Map(rows.map(({ job, state }) => [job, state]))
      for (const { state, job } of calls)
        hold(
          state !== 'delivered' || ['paid', 'refunded'].includes(states.get(job ?? '') ?? ''),
          () => `a delivered job is ${states.get(job ?? '')}`,
        )
    },
  }
}

type LeaseRow = {
  readonly lease: { readonly message: { readonly totalMicroUsd: string } }
  readonly voucher?: { readonly message: { readonly cumulativeMicroUsd: string } }
}

type JobRow = {
  readonly job: string
  readonly lease: string
  readonly state: string
  readonly priceMicroUsd: string
}

async function jobsOf(store: Store): Promise<readonly JobRow[]> {
  const entries = await store.list('buyer-jobs')
  return entries.map(({ value }) => JSON.parse(value) as JobRow)
}

function isFinal(state: string): boolean {
  return state === 'paid' || state === 'refunded' || state === 'failed'
}
