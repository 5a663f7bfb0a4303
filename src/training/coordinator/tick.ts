import type * as Hex from '../../protocol/Hex.ts'
import type * as Entry from '../../protocol/training/Entry.ts'
import { admitEntry, countMissed } from './admitEntry.ts'
import { holds } from './bitmap.ts'
import { deadlineMs, quorumShare } from './deadline.ts'
import { type Draft, draftOf, drop, emptyRound, enter, update } from './Draft.ts'
import { releaseHeld } from './held.ts'
import { assignAudits, draw, longestAuditMs, settle } from './settle.ts'
import { assignScores, settleScores } from './scores.ts'
import {
  beginMasking,
  endMasking,
  forgetReady,
  isSpent,
  leastIn,
  mayShowAgain,
  repeatWithout,
} from './sums.ts'
import { activeIn, type Arrived, type Decision, type State } from './State.ts'

/** What a batch of the log brings. */
export type Input = {
  /** Milliseconds; time enters nowhere else. */
  readonly now: number
  /** Hash of the batch. */
  readonly seed: Hex.Hex
  /** Entries whose signatures have been checked. */
  readonly inbox: readonly Entry.Entry[]
}

/**
 * Folds one batch of the log into the state of a run and says what follows. Pure: everybody who has the
 * log comes to the same decisions, so whoever writes it need not be trusted. docs/training-rules.md is
 * what it does in words.
 */
export function tick(
  state: State,
  { now, seed, inbox }: Input,
): { readonly state: State; readonly outbox: readonly Decision[] } {
  const draft = draftOf(state, seed)
  if (draft.now === 0) draft.since = now
  draft.now = Math.max(state.now, now)
  for (const entry of inbox) admitEntry(draft, entry)
  if (draft.phase !== 'ended') {
    settleScores(draft)
    settle(draft)
    // A phase may be over at once, for instance a round that nobody is left to work on.
    for (let phases = 0; phases < 4 && advance(draft); phases++);
  }
  const { decisions: outbox, seed: _, ...next } = draft
  return { state: next, outbox }
}

/** Ends the phase if it is over. */
function advance(draft: Draft): boolean {
  const before = draft.phase
  switch (draft.phase) {
    case 'gathering':
      endGathering(draft)
      break
    case 'warm-up':
      endWarmUp(draft)
      break
    case 'round':
      endRound(draft)
      break
    case 'masking':
      if (endMasking(draft)) beginWitness(draft)
      break
    case 'witness':
      endWitness(draft)
      break
    case 'cool-down':
      endCoolDown(draft)
      break
    case 'ended':
      break
  }
  return draft.phase !== before
}

function endGathering(draft: Draft): void {
  const active = draft.workers.filter(({ standing }) => standing === 'active')
  if (active.length === 0) draft.since = draft.now
  const waited = draft.now - draft.since >= draft.policy.gatherMs
  // Who has begun goes on with those who are left; nobody begins with fewer than were asked for.
  const mayGoOn = draft.round.number > 0 && active.length >= leastIn(draft.order) && waited
  if (active.length < draft.order.minWorkers && !mayGoOn) return
  // Who joined during the round that nobody was left in takes part in it now, or it would never be.
  for (const { number, firstRound } of active)
    update(draft, number, { firstRound: Math.min(firstRound, draft.round.number) })
  enter(draft, 'warm-up')
}

function endWarmUp(draft: Draft): void {
  const active = activeIn(draft)
  if (active.length < leastIn(draft.order)) return enter(draft, 'gathering')
  const late = draft.now - draft.since >= draft.policy.warmUpMs
  const all = active.every(({ number }) => draft.round.reports.has(number))
  if (!all && !late) return
  const parent = majority(draft)
  if (parent === undefined) {
    // Nobody has the start state yet, or they have different ones: wait for more reports.
    if (late) draft.since = draft.now
    return
  }
  for (const { number } of active)
    if (draft.round.reports.get(number) !== parent && late) drop(draft, number, 'no-start-state')
  draft.round.parent = parent
  enter(draft, 'round')
}

function endRound(draft: Draft): void {
  const { round, order } = draft
  round.parent ??= majority(draft)
  const active = activeIn(draft)
  const isPrivate = order.privacy === 'sums'
  const delivered = isPrivate ? round.ready : round.commitments
  const committed = active.filter(({ number }) => delivered.has(number)).length
  const least = leastIn(order)
  if (round.quorumAt === undefined && committed >= Math.max(1, active.length * quorumShare))
    round.quorumAt = draft.now
  const quorumAfterMs = round.quorumAt === undefined ? undefined : round.quorumAt - draft.since
  const limit = deadlineMs(draft.arrivalsMs, { quorumAfterMs, roundMs: order.roundMs })
  const over = draft.now - draft.since >= limit
  if (committed < least && over) {
    countMissed(draft)
    draft.decisions.push({ kind: 'round-repeated', round: round.number })
    draft.since = draft.now
    if (activeIn(draft).length >= least) return
    forgetReady(draft)
    return enter(draft, 'gathering')
  }
  if (!over && (committed < least || committed < active.length)) return
  if (isPrivate) beginMasking(draft)
  else beginWitness(draft)
}

/** Asks all who take part what they hold, or as many of them as the policy has drawn by the batch's hash. */
function beginWitness(draft: Draft): void {
  const active = activeIn(draft)
  const { witnesses } = draft.policy
  if (active.length > witnesses) {
    const ranked = active.map(({ number }) => ({ number, rank: draw(draft.seed, number, 0) }))
    const first = ranked.toSorted((a, b) => a.rank - b.rank || a.number - b.number)
    draft.round.drawn = new Set(first.slice(0, witnesses).map(({ number }) => number))
  }
  enter(draft, 'witness')
}

function endWitness(draft: Draft): void {
  const { round, policy, order } = draft
  const asked = activeIn(draft).filter(({ number }) => round.drawn?.has(number) ?? true)
  const heard = asked.filter(({ number }) => round.witnesses.has(number)).length
  // Vectors of a private run are first shown now, and are large.
  const limitMs = order.privacy === 'sums' ? order.roundMs : policy.witnessMs
  const late = draft.now - draft.since >= limitMs
  if (heard < asked.length && !late) return
  const accepted = [...round.commitments].filter(([number]) => isHeld(draft, number))
  if (order.privacy === 'sums') return endSum(draft, accepted)
  if (accepted.length === 0) {
    draft.decisions.push({ kind: 'round-repeated', round: round.number })
    const { number, batch, parent, reports } = round
    draft.round = { ...emptyRound(number, batch), parent, reports }
    return enter(draft, 'round')
  }
  countMissed(draft)
  close(
    draft,
    accepted.toSorted(([a], [b]) => a - b),
  )
}

/** Closes a private round with all who are in the sum. One that does not come about twice leaves the model as it is. */
function endSum(draft: Draft, accepted: readonly Accepted[]): void {
  const { ready, commitments } = draft.round
  if (accepted.length === ready.size) {
    countMissed(draft)
    return close(
      draft,
      accepted.toSorted(([a], [b]) => a - b),
    )
  }
  const held = new Set(accepted.map(([number]) => number))
  const withheld = [...commitments.keys()].filter((number) => !held.has(number))
  const isOver = endReason(draft) !== undefined
  if (mayShowAgain(draft) && !isOver) return repeatWithout(draft, withheld, 'did-not-show')
  for (const number of withheld)
    if (draft.workers[number]!.standing === 'active') drop(draft, number, 'did-not-show')
  close(draft, [])
}

/** A payload counts when a majority of those who spoke, and not its sender alone, hold it. */
function isHeld({ round }: Draft, number: number): boolean {
  const votes = [...round.witnesses.values()].filter((held) => holds(held, number)).length
  return round.witnesses.size > 0 && votes * 2 > round.witnesses.size
}

function close(draft: Draft, accepted: readonly Accepted[]): void {
  const { number } = draft.round
  const closed = {
    number,
    closedAt: draft.now,
    batch: draft.seed,
    contributions: new Map(
      accepted.map(([worker, { commitment }]) => [
        worker,
        {
          commitment,
          weight: commitment.steps,
          audits: new Map(),
          dueAt: draft.now,
          awaitsScore: false,
        },
      ]),
    ),
    groups: [],
  }
  const counted = new Set(accepted.map(([worker]) => worker))
  for (const [worker, { commitment }] of draft.round.commitments) {
    const { errorIfAccepted, errorIfLate } = commitment
    const { accepted: before } = draft.workers[worker]!
    if (counted.has(worker)) update(draft, worker, { error: errorIfAccepted, accepted: before + 1 })
    else update(draft, worker, { error: errorIfLate })
  }
  const arrivals = accepted.map(([, { afterMs }]) => afterMs)
  draft.arrivalsMs = [...draft.arrivalsMs, ...arrivals].slice(-arrivalLimit)
  draft.open.push(closed)
  draft.decisions.push({
    kind: 'round-close',
    round: number,
    accepted: accepted.map(([worker, { commitment }]) => ({
      worker,
      weight: commitment.steps,
      payload: commitment.payload,
    })),
  })
  draft.round = emptyRound(number + 1, draft.seed)
  const isLast = endReason(draft) !== undefined
  if (draft.order.trainer === 'any') assignScores(draft, closed, { isLast })
  else assignAudits(draft, closed, { isLast })
  enter(draft, isLast ? 'cool-down' : 'round')
}

function endReason(draft: Draft): string | undefined {
  const { round, order, now, paidMicroUsd, heldMicroUsd, open } = draft
  if (round.number >= order.rounds) return 'rounds'
  const owed = open.flatMap(({ contributions }) => [...contributions.values()])
  const steps = owed.reduce((sum, { weight }) => sum + weight, order.steps)
  const promisedMicroUsd = paidMicroUsd + heldMicroUsd + BigInt(steps) * order.priceMicroUsd
  if (promisedMicroUsd > order.budgetMicroUsd) return 'budget'
  if (order.deadlineSeconds > 0 && now >= order.deadlineSeconds * 1000) return 'deadline'
  if (isSpent(draft)) return 'privacy'
  return undefined
}

function endCoolDown(draft: Draft): void {
  const { open, policy, now, since, round } = draft
  const late = now - since >= Math.max(policy.coolDownMs, longestAuditMs(draft))
  // Who has another last state learns of it here; no round follows that would tell.
  draft.round.parent ??= majority(draft)
  const all = activeIn(draft).every(({ number }) => round.reports.has(number))
  const isSettled = open.length === 0 && (all || now - since >= policy.witnessMs)
  if (!isSettled && !late) return
  releaseHeld(draft, { isOver: true })
  draft.decisions.push({ kind: 'run-end', reason: endReason(draft) ?? 'over' })
  enter(draft, 'ended')
}

/**
 * The replica hash of more than half of those who reported, once more than half have, or once the others
 * have had `witnessMs` for it: whoever speaks first does not decide alone.
 */
function majority(draft: Draft): Hex.Hex | undefined {
  const { round, policy, now, since } = draft
  const active = activeIn(draft)
  const reports = active.flatMap(({ number }) => round.reports.get(number) ?? [])
  const counts = Map.groupBy(reports, (replica) => replica)
  const waited = now - since >= policy.witnessMs
  if (reports.length * 2 <= active.length && !waited) return undefined
  return [...counts].find(([, same]) => same.length * 2 > reports.length)?.[0]
}

type Accepted = readonly [number, Arrived]

const arrivalLimit = 256
