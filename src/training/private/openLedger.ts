import * as z from 'zod/mini'
import type * as Hex from '../../protocol/Hex.ts'
import * as Json from '../../protocol/Json.ts'
import type { TrainingOrder } from '../../protocol/training/TrainingOrder.ts'
import type { Store } from '../../runtime/Store.ts'

/**
 * What a worker has shown of its data in a private run, on its own disk: it does not believe the log, which
 * may have branches, how much that was.
 */
export type Ledger = {
  /** Whether there is anything left for another sum. */
  isWilling(): boolean
  /** Whether this may be shown: what was shown before always, else within the budget and twice a round. */
  mayShow(sum: Shown): boolean
  /** Writes down what will be shown at once. */
  note(sum: Shown): Promise<void>
}

/** A masked vector, by its hash, and what the sum that it is in costs. */
export type Shown = { readonly round: number; readonly payload: Hex.Hex; readonly rho: number }

/** Opens the ledger of a run. */
export async function openLedger(
  { store }: { store: Store },
  { run, order }: { run: Hex.Hex; order: Pick<TrainingOrder, 'noiseMicro' | 'rhoMicro'> },
): Promise<Ledger> {
  const table = `trainingSums/${run}`
  const shown = new Map<string, { readonly round: number; readonly rho: number }>()
  for (let after: string | undefined; ;) {
    const page = await store.list(table, { after })
    for (const { key, value } of page)
      shown.set(key, Json.parse(record, JSON.parse(value), { what: 'shown sum' }))
    after = page.at(-1)?.key
    if (page.length === 0) break
  }
  const isNoisy = order.noiseMicro > 0
  const spent = () => Array.from(shown.values()).reduce((sum, { rho }) => sum + rho, 0)
  const isWithin = (rho: number) => !isNoisy || spent() + rho <= order.rhoMicro / 1e6
  return {
    isWilling: () => isWithin(1 / (2 * (order.noiseMicro / 1e6) ** 2)),
    mayShow({ round, payload, rho }) {
      if (shown.has(payload)) return true
      const times = Array.from(shown.values()).filter((each) => each.round === round).length
      return times < showLimit && isWithin(rho)
    },
    async note({ round, payload, rho }) {
      const value = { round, rho: isNoisy ? rho : 0 }
      await store.write([{ table, key: payload, value: JSON.stringify(value) }])
      shown.set(payload, value)
    },
  }
}

/** How often vectors of one round are shown: two sums of almost the same workers tell of the difference. */
export const showLimit = 2

const record = z.strictObject({
  round: z.int().check(z.minimum(0)),
  rho: z.number().check(z.minimum(0)),
})
