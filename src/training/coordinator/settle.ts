import * as Hex from '../../protocol/Hex.ts'
import { type Draft, type DraftClosedRound, type DraftContribution, update } from './Draft.ts'

/**
 * Draws who audits what of a round that has just closed. The seed is the hash of the batch that closed
 * it, so nobody knew it when they committed.
 */
export function assignAudits(draft: Draft, closed: DraftClosedRound): void {
  for (const [worker, contribution] of closed.contributions) {
    const drawn = draw(draft.seed, worker, 0) % 1_000_000
    if (drawn < draft.order.auditMicro) assign(draft, closed, { worker, contribution })
  }
}

/** Draws one more auditor for a contribution, from those who take part and have not looked at it. */
function assign(
  draft: Draft,
  { number: round }: DraftClosedRound,
  options: { worker: number; contribution: DraftContribution },
): void {
  const { worker, contribution } = options
  const candidates = draft.workers.filter(
    ({ number, standing }) =>
      standing === 'active' && number !== worker && !contribution.audits.has(number),
  )
  if (candidates.length === 0) return
  const place = draw(draft.seed, worker, 1 + contribution.audits.size) % candidates.length
  const auditor = candidates[place]!.number
  contribution.audits.set(auditor, 'assigned')
  draft.decisions.push({ kind: 'audit-assigned', round, worker, auditor })
}

/**
 * Settles contributions of closed rounds: one that two auditors found wrong convicts its worker, one
 * whose audits are in or overdue is paid. After one finding against it, two more auditors look.
 */
export function settle(draft: Draft): void {
  for (const closed of draft.open) {
    const overdue = draft.now >= closed.closedAt + draft.policy.auditMs
    for (const [worker, contribution] of closed.contributions) {
      const found = [...contribution.audits.values()]
      const against = found.filter((each) => each === 'invalid' || each === 'unavailable').length
      const wrong = found.filter((each) => each === 'invalid').length
      const waiting = found.includes('assigned')
      const isUnseen = found.length > 0 && found.every((each) => each === 'declined')
      if (draft.workers[worker]!.standing === 'convicted')
        reject(draft, closed, worker, 'convicted')
      else if (wrong >= 2) convict(draft, closed, worker)
      else if ((against > 0 || isUnseen) && found.length < 3 && !overdue) {
        const before = found.length
        const options = { worker, contribution }
        while (contribution.audits.size < 3 && contribution.audits.size - before < 2) {
          const size = contribution.audits.size
          assign(draft, closed, options)
          if (contribution.audits.size === size) break
        }
        if (contribution.audits.size === before && !waiting) decide(draft, closed, worker)
      } else if (!waiting || overdue) decide(draft, closed, worker)
    }
  }
  draft.open = draft.open.filter(({ contributions }) => contributions.size > 0)
}

/** Pays a contribution unless more auditors spoke against it than for it. */
function decide(draft: Draft, closed: DraftClosedRound, worker: number): void {
  const { commitment, weight, audits } = closed.contributions.get(worker)!
  const found = [...audits.values()]
  const valid = found.filter((each) => each === 'valid').length
  const against = found.filter((each) => each === 'invalid' || each === 'unavailable').length
  if (against > valid) return reject(draft, closed, worker, 'audit')
  const amountMicroUsd = BigInt(weight) * draft.order.priceMicroUsd
  if (draft.paidMicroUsd + amountMicroUsd > draft.order.budgetMicroUsd)
    return reject(draft, closed, worker, 'budget')
  closed.contributions.delete(worker)
  draft.paidMicroUsd += amountMicroUsd
  const earnedMicroUsd = draft.workers[worker]!.earnedMicroUsd + amountMicroUsd
  update(draft, worker, { earnedMicroUsd })
  draft.decisions.push({ kind: 'paid', round: commitment.round, worker, amountMicroUsd })
}

function convict(draft: Draft, closed: DraftClosedRound, worker: number): void {
  update(draft, worker, { standing: 'convicted' })
  draft.decisions.push({ kind: 'worker-convicted', worker, round: closed.number })
  reject(draft, closed, worker, 'convicted')
}

function reject(draft: Draft, closed: DraftClosedRound, worker: number, reason: string): void {
  closed.contributions.delete(worker)
  draft.decisions.push({ kind: 'unpaid', round: closed.number, worker, reason })
}

/** A word from a seed for the n-th draw about a worker. */
export function draw(seed: Hex.Hex, worker: number, n: number): number {
  const bytes = new Uint8Array(40)
  bytes.set(Hex.toBytes(seed))
  const view = new DataView(bytes.buffer)
  view.setUint32(32, worker)
  view.setUint32(36, n)
  return new DataView(Hex.toBytes(Hex.sha256(bytes)).buffer).getUint32(0)
}
