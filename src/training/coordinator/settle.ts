import * as Hex from '../../protocol/Hex.ts'
import type { Outcome } from '../../protocol/training/Audit.ts'
import { type Draft, type DraftClosedRound, type DraftContribution, update } from './Draft.ts'
import { holdRounds, promise, rejectHeld, releaseHeld } from './held.ts'

/**
 * Draws who audits what of a round that has just closed. The seed is the hash of the batch that closed
 * it, so nobody knew it when they committed. Where pay is held back, all of the last round is audited: a liar
 * that goes on to the end is found before anything that is still held is paid.
 */
export function assignAudits(
  draft: Draft,
  closed: DraftClosedRound,
  { isLast }: { isLast: boolean },
): void {
  const isAll = isLast && holdRounds(draft.order) > 0
  for (const [worker, contribution] of closed.contributions) {
    const drawn = draw(draft.seed, worker, 0) % 1_000_000
    if (isAll || drawn < draft.order.auditMicro) assign(draft, closed, { worker, contribution })
  }
}

/** Draws one more auditor for a contribution, from those who take part and have not looked at it. */
function assign(
  draft: Draft,
  { number: round, closedAt }: DraftClosedRound,
  { worker, contribution }: Options,
): void {
  const candidates = draft.workers.filter(
    ({ number, standing, outvoted }) =>
      standing === 'active' && !outvoted && number !== worker && !contribution.audits.has(number),
  )
  if (candidates.length === 0) return
  const place = draw(draft.seed, worker, 1 + contribution.audits.size) % candidates.length
  const auditor = candidates[place]!.number
  contribution.audits.set(auditor, 'assigned')
  contribution.dueAt = Math.min(draft.now + auditMs(draft), closedAt + longestAuditMs(draft))
  draft.decisions.push({ kind: 'audit-assigned', round, worker, auditor })
}

/** How long an auditor may take: it finishes its own segment first, and runs the other one then. */
export function auditMs({ policy, order }: Draft): number {
  return Math.max(policy.auditMs, 2 * order.roundMs)
}

/** How long all audits of a contribution take at most: the first, those after a finding against it, and one for others. */
export function longestAuditMs(draft: Draft): number {
  return 3 * auditMs(draft)
}

/**
 * Settles contributions of closed rounds: one that two auditors found wrong convicts its worker, one
 * whose audits are in or overdue is promised. After one finding against it, two more auditors look.
 */
export function settle(draft: Draft): void {
  for (const closed of draft.open)
    for (const [worker, contribution] of closed.contributions)
      settleOne(draft, closed, { worker, contribution })
  draft.open = draft.open.filter(({ contributions }) => contributions.size > 0)
  releaseHeld(draft, { isOver: false })
}

function settleOne(draft: Draft, closed: DraftClosedRound, options: Options): void {
  const { worker, contribution } = options
  const { audits } = contribution
  if (draft.workers[worker]!.standing === 'convicted')
    return reject(draft, closed, worker, 'convicted')
  if (contribution.awaitsScore) return
  replaceGone(draft, closed, options)
  const found = [...audits.values()]
  if (count(found, 'invalid') >= 2) return convict(draft, closed, worker, 'audits')
  const isUnseen = found.length > 0 && found.every((each) => each === 'declined')
  const isDoubted = found.includes('invalid') || found.includes('unavailable')
  if (isDoubted || isUnseen)
    for (let more = 0; more < 2 && audits.size < 3; more++) assign(draft, closed, options)
  const isWaiting = [...audits.values()].includes('assigned')
  if (!isWaiting || draft.now >= contribution.dueAt) decide(draft, closed, worker)
}

/** Draws others for auditors that take no part any more: nothing is to be heard of them. */
function replaceGone(draft: Draft, closed: DraftClosedRound, options: Options): void {
  const { audits } = options.contribution
  const gone = [...audits].filter(
    ([number, found]) => found === 'assigned' && draft.workers[number]!.standing !== 'active',
  )
  for (const [number] of gone) audits.delete(number)
  for (const _ of gone) assign(draft, closed, options)
}

/** Promises to pay a contribution unless more auditors spoke against it than for it. */
function decide(draft: Draft, closed: DraftClosedRound, worker: number): void {
  const { commitment, weight, audits } = closed.contributions.get(worker)!
  const found = [...audits.values()]
  const valid = count(found, 'valid')
  const against = count(found, 'invalid') + count(found, 'unavailable')
  if (valid >= 2) outvote(draft, closed, { worker, wrong: 'invalid' })
  if (against > valid) return reject(draft, closed, worker, 'audit')
  const { order, paidMicroUsd, heldMicroUsd } = draft
  const amountMicroUsd = BigInt(weight) * order.priceMicroUsd
  if (paidMicroUsd + heldMicroUsd + amountMicroUsd > order.budgetMicroUsd)
    return reject(draft, closed, worker, 'budget')
  closed.contributions.delete(worker)
  promise(draft, { round: commitment.round, worker, amountMicroUsd })
}

/** Puts a worker out of the run: nothing of it that is not paid yet will be. */
export function convict(
  draft: Draft,
  closed: DraftClosedRound,
  worker: number,
  by: 'audits' | 'scores',
): void {
  if (by === 'audits') outvote(draft, closed, { worker, wrong: 'valid' })
  update(draft, worker, { standing: 'convicted' })
  draft.decisions.push({ kind: 'worker-convicted', worker, round: closed.number, by })
  if (closed.contributions.has(worker)) reject(draft, closed, worker, 'convicted')
  rejectHeld(draft, worker)
}

/**
 * Draws auditors no more that two others contradict: the arithmetic is exact, so they are wrong or lie. They
 * keep their pay, because the two may be in league. `unavailable` is not held against anyone, since the audited worker
 * chooses whom it answers; nor is anything in tier `exact`, where who answers for a claim changes on the chain with time.
 */
function outvote(
  draft: Draft,
  { number: round, contributions }: DraftClosedRound,
  { worker, wrong }: { worker: number; wrong: 'valid' | 'invalid' },
): void {
  if (draft.order.tier !== 'unverified') return
  for (const [auditor, found] of contributions.get(worker)!.audits) {
    if (found !== wrong || draft.workers[auditor]!.outvoted) continue
    update(draft, auditor, { outvoted: true })
    draft.decisions.push({ kind: 'auditor-outvoted', round, worker, auditor, found })
  }
}

/** Leaves a contribution unpaid. */
export function reject(
  draft: Draft,
  closed: DraftClosedRound,
  worker: number,
  reason: string,
): void {
  closed.contributions.delete(worker)
  draft.decisions.push({ kind: 'unpaid', round: closed.number, worker, reason })
}

function count(found: readonly ('assigned' | Outcome)[], outcome: Outcome): number {
  return found.filter((each) => each === outcome).length
}

type Options = { readonly worker: number; readonly contribution: DraftContribution }

/** A word from a seed for the n-th draw about a worker. */
export function draw(seed: Hex.Hex, worker: number, n: number): number {
  const bytes = new Uint8Array(40)
  bytes.set(Hex.toBytes(seed))
  const view = new DataView(bytes.buffer)
  view.setUint32(32, worker)
  view.setUint32(36, n)
  return new DataView(Hex.toBytes(Hex.sha256(bytes)).buffer).getUint32(0)
}
