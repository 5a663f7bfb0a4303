import * as z from 'zod/mini'
import type * as Hex from '../../protocol/Hex.ts'
import * as Voucher from '../../protocol/Voucher.ts'
import type { State } from '../coordinator/State.ts'

/** How a worker asks the buyer's node for what the log says it has earned. */
export const payProtocol = '/weft/training-pay/1'

/** Names the run. */
export const request = z.strictObject({
  run: z.custom<Hex.Hex>((value) => typeof value === 'string' && /^0x[0-9a-f]{64}$/.test(value)),
})

/** The highest voucher there is; none before the lease is on the chain. */
export const reply = z.strictObject({ voucher: z.optional(Voucher.schema) })

/** What a worker has delivered that counts and whose audits are not over yet, at the order's price. */
export function pendingMicroUsd({ open, order }: State, worker: number): bigint {
  const steps = open.reduce(
    (sum, { contributions }) => sum + (contributions.get(worker)?.weight ?? 0),
    0,
  )
  return BigInt(steps) * order.priceMicroUsd
}

/** What a worker has delivered that counts and is not due yet: audits are out, or the log holds it back. */
export function comingMicroUsd(state: State, worker: number): bigint {
  return state.held.reduce(
    (sum, each) => (each.worker === worker ? sum + each.amountMicroUsd : sum),
    pendingMicroUsd(state, worker),
  )
}
