import { Reputation } from '../../market/index.ts'
import type { Reason } from '../../protocol/Exchange.ts'
import type * as Hex from '../../protocol/Hex.ts'
import type { Clock } from '../../runtime/Clock.ts'
import type { Journal } from './journal.ts'
import type { ProviderRow } from './rows.ts'

/** What the buyer remembers of each provider, across restarts. */
export type Providers = {
  /** In (0, 1). */
  score(provider: Hex.Address): number
  /** Part of the recent jobs that went there, in [0, 1]. */
  share(provider: Hex.Address): number
  latencyMs(provider: Hex.Address): number | undefined
  excluded(provider: Hex.Address): Reason | undefined
  record(provider: Hex.Address, outcome: Reputation.Outcome): void
  measured(provider: Hex.Address, latencyMs: number): void
  served(provider: Hex.Address): void
  /** Never uses this provider again; resolves when that survives a restart. */
  exclude(provider: Hex.Address, reason: Reason): Promise<void>
}

/** Recent jobs that count for shares, and providers remembered in memory. */
const recentLimit = 200
const rowsLimit = 10_000

/** Reads what earlier lives remembered. */
export async function openProviders(ports: { journal: Journal; clock: Clock }): Promise<Providers> {
  const { journal, clock } = ports
  const rows = new Map<Hex.Address, ProviderRow>(await journal.providers())
  const latencies = new Map<Hex.Address, number>()
  const recent: Hex.Address[] = []

  const rowOf = (provider: Hex.Address): ProviderRow => rows.get(provider) ?? Reputation.unknown
  const set = (provider: Hex.Address, row: ProviderRow) => {
    if (!rows.has(provider) && rows.size >= rowsLimit) {
      const [forgettable] = [...rows].find(([, { excluded }]) => !excluded) ?? []
      if (forgettable) rows.delete(forgettable)
    }
    rows.set(provider, row)
    return { provider: [provider, row] as const }
  }

  return {
    score: (provider) => Reputation.score(rowOf(provider), clock.now()),
    share: (provider) =>
      recent.length === 0 ? 0 : recent.filter((other) => other === provider).length / recent.length,
    latencyMs: (provider) => latencies.get(provider),
    excluded: (provider) => rowOf(provider).excluded,
    record(provider, outcome) {
      const row = rowOf(provider)
      journal.later(set(provider, { ...row, ...Reputation.record(row, outcome, clock.now()) }))
    },
    measured(provider, latencyMs) {
      const before = latencies.get(provider)
      if (latencies.size >= rowsLimit) latencies.clear()
      latencies.set(provider, before === undefined ? latencyMs : before * 0.8 + latencyMs * 0.2)
    },
    served(provider) {
      recent.push(provider)
      if (recent.length > recentLimit) recent.shift()
    },
    async exclude(provider, reason) {
      await journal.save(set(provider, { ...rowOf(provider), excluded: reason }))
    },
  }
}
