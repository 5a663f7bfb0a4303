import type * as Hex from '../../protocol/Hex.ts'
import type * as Batch from '../../protocol/training/Batch.ts'
import * as Entry from '../../protocol/training/Entry.ts'
import type { Decision, State } from '../coordinator/State.ts'

/** A batch where it stands in a log, and what it led to. */
export type Link = {
  readonly batch: Batch.Batch
  readonly hash: Hex.Hex
  /** After the batch; of old ones only some are kept. */
  readonly state: State | undefined
  /** Those of its entries that their authors signed. */
  readonly inbox: readonly Entry.Entry[]
  readonly decisions: readonly Decision[]
}

/**
 * Whether a branch counts more than another: the one to which more of those bound themselves who had a part in the
 * run where the two part. Votes for a fork cannot be made up by one, nor taken back, and everybody who sees both
 * branches counts the same; docs/training-rules.md says why logs become one.
 *
 * @param fork the state that both branches begin from.
 */
export function isBetter(theirs: readonly Link[], ours: readonly Link[], fork: State): boolean {
  const crew = new Set(
    fork.workers.flatMap(({ standing, accepted, address }) =>
      standing === 'active' || (standing === 'gone' && accepted > 0) ? [address] : [],
    ),
  )
  if (crew.size < leastCrew && hasBoundRound(ours)) return false
  const [more, less] = [weightOf(theirs, crew), weightOf(ours, crew)]
  if (more !== less) return more > less
  const [a, b] = [theirs.at(-1)!, ours.at(-1)!]
  const [one, other] = [a.batch.head.message, b.batch.head.message]
  if (one.term !== other.term) return one.term > other.term
  if (theirs.length !== ours.length) return theirs.length > ours.length
  return a.hash < b.hash
}

/** With fewer at the fork, one liar would outvote all who came later. */
const leastCrew = 2

/** How many of a crew have signed that they have seen this branch past the fork. */
function weightOf(links: readonly Link[], crew: ReadonlySet<Hex.Address>): number {
  const hashes = new Set(links.map(({ hash }) => hash))
  const voters = new Set<Hex.Address>()
  for (const entry of links.flatMap(({ inbox }) => inbox)) {
    const seen = Entry.batchOf(entry)
    if (seen === undefined || !hashes.has(seen)) continue
    const author = Entry.authorOf(entry)
    if (crew.has(author)) voters.add(author)
  }
  return voters.size
}

/** Whether a branch closed a round and a majority of those who were in it reported the state after it. */
function hasBoundRound(links: readonly Link[]): boolean {
  const closed = links
    .flatMap(({ decisions }) => decisions)
    .findLast((each) => each.kind === 'round-close')
  if (!closed) return false
  const after = links.at(-1)!.state!.round
  if (after.number > closed.round + 1) return true
  const reported = closed.accepted.filter(({ worker }) => after.reports.has(worker)).length
  return reported * 2 > closed.accepted.length
}
