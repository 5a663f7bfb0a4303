import type { BuyerEvent } from '../buyer/Buyer.ts'
import * as Assurance from '../protocol/Assurance.ts'
import type * as ExactClaim from '../protocol/ExactClaim.ts'
import type * as Hex from '../protocol/Hex.ts'
import type * as Receipt from '../protocol/Receipt.ts'
import type { Signed } from '../protocol/SignedMessage.ts'

/**
 * What every answer says about who made it, for how much, and how far it can be trusted: the `weft`
 * field of a JSON answer or of the last chunk. Amounts are decimal strings.
 */
export type WeftField = {
  readonly priceMicroUsd: bigint
  /** One per choice, in order. */
  readonly jobs: readonly WeftJob[]
}

export type WeftJob = {
  readonly index: number
  readonly job: Hex.Hex
  readonly lease: Hex.Hex
  readonly provider: Hex.Address
  readonly weights: Hex.Hex
  readonly quantisation: string
  /** Known when the job has ended, like all below. */
  readonly priceMicroUsd?: bigint | undefined
  /** Id of the receipt. */
  readonly receipt?: Hex.Hex | undefined
  readonly assurance: Assurance.Assurance
  /** The whole receipt, for `weft receipt verify`. */
  readonly signedReceipt?: Signed<Receipt.Receipt> | undefined
  /** What the provider answers for, when the tier is `exact`. */
  readonly signedClaim?: Signed<ExactClaim.ExactClaim> | undefined
}

/** Gathers the field from the events of a request's jobs. */
export function weftCollector() {
  const jobs = new Map<number, WeftJob>()
  return {
    add(index: number, event: BuyerEvent): void {
      if (event.type === 'completion-start') {
        const { job, lease, provider, weights, quantisation, tier } = event
        const assurance = { tier, state: 'pending' } as const
        jobs.set(index, { index, job, lease, provider, weights, quantisation, assurance })
      }
      if (event.type === 'completion-end') {
        const { priceMicroUsd, receiptId, receipt, claim, assurance } = event
        const ended = { priceMicroUsd, receipt: receiptId, assurance, signedReceipt: receipt }
        const signedClaim = claim && { signedClaim: claim }
        jobs.set(index, { ...jobs.get(index)!, ...ended, ...signedClaim })
      }
    },
    field(): WeftField {
      const sorted = [...jobs.values()].toSorted((a, b) => a.index - b.index)
      const priceMicroUsd = sorted.reduce((sum, job) => sum + (job.priceMicroUsd ?? 0n), 0n)
      return { priceMicroUsd, jobs: sorted }
    },
  }
}

/**
 * The same for people who read headers; several choices are joined with `, `. The price is the sum, and
 * stands only when every job has ended.
 */
export function weftHeaders({ jobs, priceMicroUsd }: WeftField): Record<string, string> {
  if (jobs.length === 0) return {}
  const join = (pick: (job: WeftJob) => string) => jobs.map(pick).join(', ')
  const headers: Record<string, string> = {
    'weft-job': join(({ job }) => job),
    'weft-provider': join(({ provider }) => provider),
    'weft-assurance': join(({ assurance }) => Assurance.format(assurance)),
  }
  if (jobs.some(({ receipt }) => receipt === undefined)) return headers
  headers['weft-receipt'] = join(({ receipt }) => receipt!)
  headers['weft-price-micro-usd'] = priceMicroUsd.toString()
  return headers
}
