import * as Hex from '../../protocol/Hex.ts'
import type { State } from '../coordinator/State.ts'

/** How long the log may stand still before the first candidate of the next term goes on, and each further one. */
export const takeover = { afterMs: 5_000, eachMs: 2_000 } as const

/**
 * Who may coordinate a term, the first choice first: the buyer begins the run; later terms go to the
 * active workers and the buyer in an order that the run and the term fix. Before two workers are there the
 * buyer alone writes, so that honest logs do not part where nobody could tell which counts.
 */
export function candidatesOf(state: State, term: number): readonly Hex.Address[] {
  const { buyer } = state.order
  const active = state.workers.filter(({ standing }) => standing === 'active')
  const isBeginning = state.round.number === 0 && active.length < 2
  if (term === 0 || isBeginning) return [buyer]
  const ranked = [...new Set([buyer, ...active.map(({ address }) => address)])].map((address) => ({
    address,
    rank: Hex.sha256(`${state.run} ${term} ${address}`),
  }))
  return ranked.toSorted((a, b) => (a.rank < b.rank ? -1 : 1)).map(({ address }) => address)
}

/** How long after the last batch an account may open a term; undefined when it may not at all. */
export function waitMs(state: State, term: number, address: Hex.Address): number | undefined {
  const place = candidatesOf(state, term).indexOf(address)
  return place < 0 ? undefined : takeover.afterMs + place * takeover.eachMs
}
