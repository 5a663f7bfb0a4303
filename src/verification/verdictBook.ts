import type * as Hex from '../protocol/Hex.ts'
import type { Signed } from '../protocol/SignedMessage.ts'
import * as Verdict from '../protocol/Verdict.ts'
import { messageOf } from '../runtime/Errors.ts'
import type { Logger } from '../runtime/Logger.ts'
import type { Store } from '../runtime/Store.ts'

/** Verdicts in the journal, table `verdicts`, by time; the recent ones also in memory. */
export type VerdictBook = {
  /** Keeps a verdict; resolves when it survives `kill -9`. */
  add(verdict: Signed<Verdict.Verdict>): Promise<void>
  /** Verdicts since a time, oldest first. */
  since(timeMs: number): readonly Signed<Verdict.Verdict>[]
  has(receipt: Hex.Hex): boolean
  /** Deletes old ones from the journal, a bounded number a call. */
  prune(beforeMs: number): Promise<void>
}

/** The most that is kept in memory. */
const recentLimit = 4_096

/** Opens the book with the verdicts given since `sinceMs`. */
export async function openVerdictBook(
  { store, logger }: { store: Store; logger: Logger },
  { sinceMs }: { sinceMs: number },
): Promise<VerdictBook> {
  const recent = new Map<Hex.Hex, Signed<Verdict.Verdict>>()
  const remember = (verdict: Signed<Verdict.Verdict>) => {
    recent.set(verdict.message.receipt, verdict)
    const [oldest] = recent.keys()
    if (recent.size > recentLimit && oldest) recent.delete(oldest)
  }
  const from = sortable(Math.max(0, sinceMs))
  for (const { value } of await store.list(table, { after: from, limit: recentLimit }))
    try {
      remember(Verdict.deserialize(new TextEncoder().encode(value)))
    } catch (error) {
      logger.error({ reason: messageOf(error) }, 'A verdict in the journal cannot be read.')
    }

  return {
    async add(verdict) {
      const { checkedAt, receipt } = verdict.message
      const value = new TextDecoder().decode(Verdict.serialize(verdict))
      await store.write([{ table, key: `${sortable(checkedAt)}/${receipt}`, value }])
      remember(verdict)
    },
    since: (timeMs) => [...recent.values()].filter(({ message }) => message.checkedAt >= timeMs),
    has: (receipt) => recent.has(receipt),
    async prune(beforeMs) {
      const oldest = await store.list(table, { limit: 1_000 })
      const old = oldest.filter(({ key }) => key < sortable(beforeMs))
      if (old.length > 0)
        await store.write(old.map(({ key }) => ({ table, key, value: undefined })))
    },
  }
}

const table = 'verdicts'
const sortable = (timeMs: number) => timeMs.toString().padStart(15, '0')
