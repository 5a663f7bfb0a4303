import type * as Hex from '../../protocol/Hex.ts'
import * as Score from '../../protocol/training/Score.ts'
import type * as Seal from '../../protocol/training/Seal.ts'
import { medianOf } from '../medianOf.ts'
import { type Draft, type DraftClosedRound, update } from './Draft.ts'
import { auditMs, convict, draw, reject } from './settle.ts'
import type { ScoreGroup, State } from './State.ts'

/**
 * Scores of contributions that nobody can run again. Contributions of a round are scored in groups, because what a score is
 * worth shows beside others; a group is scored by three, who are bound to what they found before anybody shows it.
 */

/** Draws which groups of a round that has just closed are scored, and by whom; of the last round all. */
export function assignScores(
  draft: Draft,
  closed: DraftClosedRound,
  { isLast }: { isLast: boolean },
): void {
  const { seed, order } = draft
  const ranked = (numbers: Iterable<number>, salt: number) =>
    [...numbers]
      .map((number) => ({ number, rank: draw(seed, number, salt) }))
      .toSorted((a, b) => a.rank - b.rank || a.number - b.number)
      .map(({ number }) => number)
  const able = draft.workers.filter(
    ({ standing, outvoted, firstRound }) =>
      standing === 'active' && !outvoted && firstRound <= closed.number,
  )
  const members = ranked(closed.contributions.keys(), groupDraw).map((worker) => {
    const { steps, payload } = closed.contributions.get(worker)!.commitment
    return { worker, steps, payload }
  })
  const count = Math.ceil(members.length / mostInGroup)
  const cut = (part: number) => Math.floor((members.length * part) / count)
  if (members.length < leastInGroup || able.length < scorersOfGroup) return
  const [first] = closed.contributions.values()
  closed.groups = Array.from({ length: count }, (_, group): ScoreGroup => {
    const isDrawn = isLast || draw(seed, group, shareDraw) % 1_000_000 < order.auditMicro
    const numbers = able.map(({ number }) => number)
    const scorers = isDrawn ? ranked(numbers, scorerDraw + group).slice(0, scorersOfGroup) : []
    return {
      parent: first!.commitment.parent,
      members: members.slice(cut(group), cut(group + 1)),
      scorers: new Map(scorers.map((scorer) => [scorer, {}])),
      sealedBy: draft.now + auditMs(draft),
      dueAt: draft.now + 2 * auditMs(draft),
      isOver: !isDrawn,
    }
  })
  for (const [group, { members: scored, scorers, isOver }] of closed.groups.entries()) {
    if (isOver) continue
    const workers = scored.map(({ worker }) => worker)
    for (const worker of workers) closed.contributions.get(worker)!.awaitsScore = true
    const asked = { round: closed.number, group, members: workers, scorers: [...scorers.keys()] }
    draft.decisions.push({ kind: 'scores-asked', ...asked, batch: seed })
  }
}

/** Takes a scorer's seal, or says why it has no effect. */
export function seal(draft: Draft, message: Seal.Seal): string | undefined {
  return amend(draft, message, ({ sealedBy }, opinion) => {
    if (opinion.seal) return 'sealed-already'
    return draft.now >= sealedBy ? 'too-late' : { seal: message.seal }
  })
}

/** Takes what a scorer shows: just what it is bound to, and not before nobody can be bound any more. */
export function score(draft: Draft, message: Score.Score): string | undefined {
  return amend(draft, message, (group, opinion) => {
    if (!opinion.seal) return 'not-sealed'
    if (opinion.scores) return 'scored-already'
    if (!isShown(draft, group)) return 'too-early'
    if (Score.sealOf(message) !== opinion.seal) return 'another-seal'
    const { scores } = message
    if (scores.length !== group.members.length || scores.some((each) => each > greatestScore))
      return 'out-of-range'
    return { ...opinion, scores }
  })
}

/** Whether scores of a group may be shown: all who were drawn are bound to theirs, or had their time. */
export function isShown({ now }: Pick<State, 'now'>, { sealedBy }: ScoreGroup): boolean {
  return now >= sealedBy
}

function amend(
  draft: Draft,
  message: Pick<Seal.Seal, 'scorer' | 'round' | 'batch' | 'group'>,
  take: (group: ScoreGroup, opinion: Opinion) => Opinion | string,
): string | undefined {
  const scorer = draft.numbers.get(message.scorer)
  if (scorer === undefined) return 'not-a-worker'
  const closed = draft.open.find(({ number }) => number === message.round)
  if (closed && closed.batch !== message.batch) return 'another-branch'
  const group = closed?.groups[message.group]
  const opinion = group?.scorers.get(scorer)
  if (!closed || !group || !opinion || group.isOver) return 'not-assigned'
  const taken = take(group, opinion)
  if (typeof taken === 'string') return taken
  const scorers = new Map(group.scorers).set(scorer, taken)
  replace(closed, message.group, { ...group, scorers })
  return undefined
}

function replace(closed: DraftClosedRound, at: number, group: ScoreGroup): void {
  closed.groups = closed.groups.with(at, group)
}

/** Lets scores be shown where all are bound, and draws the consequences where all have shown theirs or had their time. */
export function settleScores(draft: Draft): void {
  for (const closed of draft.open)
    for (const [at, group] of closed.groups.entries()) {
      if (group.isOver) continue
      const opinions = [...group.scorers].filter(
        ([scorer]) => draft.workers[scorer]!.standing === 'active',
      )
      if (!isShown(draft, group)) {
        const isBound = opinions.every(([, { seal: bound }]) => bound !== undefined)
        if (isBound) replace(closed, at, { ...group, sealedBy: draft.now })
        continue
      }
      const isIn = opinions.every(([, { seal: bound, scores }]) => !bound || scores)
      if (!isIn && draft.now < group.dueAt) continue
      replace(closed, at, { ...group, isOver: true })
      conclude(draft, closed, group)
    }
}

/** What two scorers other than a worker itself found alike is its score; who found otherwise is not asked again. */
function conclude(draft: Draft, closed: DraftClosedRound, { members, scorers }: ScoreGroup): void {
  const votes = members.map(({ worker }, at) =>
    [...scorers].flatMap(([scorer, { scores }]) =>
      scores && scorer !== worker ? [{ scorer, score: scores[at]! }] : [],
    ),
  )
  const agreed = votes.map((each) => {
    const counts = Map.groupBy(each, ({ score: found }) => found)
    return [...counts].find(([, same]) => same.length >= 2)?.[0]
  })
  for (const [at, { worker }] of members.entries())
    for (const { scorer, score: found } of votes[at]!)
      if (agreed[at] !== undefined && found !== agreed[at])
        outvote(draft, { round: closed.number, worker, auditor: scorer })
  const errors = agreed.map((each) => (each === undefined ? undefined : each - chance))
  for (const [at, { worker }] of members.entries()) {
    const contribution = closed.contributions.get(worker)
    if (contribution) contribution.awaitsScore = false
    const errorMilli = errors[at]
    if (errorMilli === undefined) continue
    const others = errors.flatMap((each, other) =>
      each === undefined || other === at ? [] : [each],
    )
    weigh(draft, closed, { worker, errorMilli, others })
  }
}

/**
 * Adds what a score says against a worker to what was said before, which never falls below nothing (Page's cumulative sum,
 * Biometrika 1954): somebody who learns soon loses all doubt, somebody who does not gathers it.
 */
function weigh(
  draft: Draft,
  closed: DraftClosedRound,
  { worker, errorMilli, others }: { worker: number; errorMilli: number; others: readonly number[] },
): void {
  const { doubtMilli: before, standing } = draft.workers[worker]!
  if (standing === 'convicted') return
  const against = evidenceMilli(errorMilli, others)
  const doubtMilli = Math.max(0, before + against)
  update(draft, worker, { doubtMilli })
  const said = { round: closed.number, worker, errorMilli, doubtMilli }
  draft.decisions.push({ kind: 'scored', ...said })
  const isOpen = closed.contributions.has(worker)
  if (doubtMilli >= convictingMilli) convict(draft, closed, worker, 'scores')
  else if (isOpen && against > 0 && 2 * doubtMilli >= convictingMilli)
    reject(draft, closed, worker, 'score')
}

/**
 * What a score says against a worker. It is expected to come to a third of what half of its peers came to, one standard
 * error at most; peers who cannot be told from chance say nothing about anybody.
 */
function evidenceMilli(errorMilli: number, others: readonly number[]): number {
  const median = medianOf(others)
  if (others.length < 2 || median < leastMedianMilli) return 0
  const expected = Math.min(greatestExpectedMilli, Math.floor(median / 3))
  return expected - Math.max(-boundMilli, Math.min(boundMilli, errorMilli))
}

function outvote(draft: Draft, facts: { round: number; worker: number; auditor: number }): void {
  if (draft.workers[facts.auditor]!.outvoted) return
  update(draft, facts.auditor, { outvoted: true })
  draft.decisions.push({ kind: 'auditor-outvoted', ...facts, found: 'differently' })
}

type Opinion = { readonly seal?: Hex.Hex; readonly scores?: readonly number[] }

/** Contributions that are scored together: who is scored alone cannot be compared, and many take long. */
const [leastInGroup, mostInGroup] = [3, 32]
const scorersOfGroup = 3
/** What a score says of no standard error. */
export const chance = 8000
const greatestScore = 16_000
const leastMedianMilli = 1000
const greatestExpectedMilli = 1000
/** So that no single score decides much. */
const boundMilli = 3000
const convictingMilli = 8000
/** Draws from a batch's hash, beyond those of auditors and pages. */
const [groupDraw, shareDraw, scorerDraw] = [10_000, 10_001, 20_000]
