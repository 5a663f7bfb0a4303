/** Words and colours for runs of training. */
import type * as Api from '../../src/indexer/Api.ts'
import { plural } from './format.ts'

/** How a run stands, in a few words. */
export function phaseWords({ phase, round, rounds, endedBy }: Api.TrainingRun): string {
  if (phase === 'ended') return endWords[endedBy ?? ''] ?? 'over'
  if (phase === 'gathering') return 'waits for workers'
  if (phase === 'warm-up') return 'workers take the first state'
  if (phase === 'cool-down') return 'last audits'
  return `round ${round + 1} of ${rounds}`
}

const endWords: Readonly<Record<string, string>> = {
  rounds: 'all rounds done',
  budget: 'budget spent',
  deadline: 'deadline reached',
  privacy: 'budget of privacy spent',
}

/** What befell a run or a worker, in one sentence. */
export function eventWords({ code, worker, detail }: Api.TrainingEvent): string {
  const who = worker === null ? '' : `Worker ${worker}`
  switch (code) {
    case 'worker-joined':
      return `${who} joins, ${detail}.`
    case 'worker-dropped':
      return `${who} is out: ${reasonWords(detail)}.`
    case 'worker-convicted':
      return `${who} is convicted: ${detail}. It is not paid, and not let in again.`
    case 'unpaid':
      return `${who} is not paid for ${detail.replace(/: (.*)/, (_, code: string) => `: ${reasonWords(code)}`)}.`
    case 'audit-valid':
      return `${who} was run again and found right (${detail}).`
    case 'audit-invalid':
      return `${who} was run again and found wrong (${detail}).`
    case 'audit-unavailable':
      return `${who} did not hand out what an audit needs (${detail}).`
    case 'audit-declined':
      return `An auditor of worker ${worker} had not what it takes (${detail}); another is drawn.`
    case 'auditor-outvoted':
      return `${who} is not drawn as an auditor any more: it ${detail}, and two others found otherwise.`
    case 'round-repeated':
      return `${detail[0]?.toUpperCase()}${detail.slice(1)} begins again: nobody's work was held by enough.`
    case 'takeover':
      return `The coordinator fell silent; another node goes on writing the log (${detail}).`
    case 'run-end':
      return `The run is over: ${endWords[detail] ?? detail}.`
  }
}

/** Why a worker is out or a round unpaid. */
export function reasonWords(code: string): string {
  return reasons[code] ?? code
}

const reasons: Readonly<Record<string, string>> = {
  'missed-rounds': 'it missed three rounds in a row',
  'no-start-state': 'it did not have the first state in time',
  left: 'it left by itself',
  audit: 'an audit spoke against it',
  score: 'its updates do not come from the pages it was given',
  convicted: 'it was convicted',
  budget: 'the budget is spent',
}

/** The tone of an event. */
export function eventTone(code: Api.TrainingEvent['code']): 'good' | 'bad' | 'wait' | 'plain' {
  if (/convicted|invalid|unpaid/.test(code)) return 'bad'
  if (/dropped|unavailable|declined|outvoted|repeated|takeover/.test(code)) return 'wait'
  return code === 'audit-valid' || code === 'run-end' ? 'good' : 'plain'
}

/** What audits came to, in a few words. */
export function auditWords({ assigned, valid, invalid, unavailable }: Api.Audits): string {
  if (assigned === 0) return 'none yet'
  const found = [
    valid > 0 && `${valid} right`,
    invalid > 0 && `${invalid} wrong`,
    unavailable > 0 && `${unavailable} without evidence`,
  ].filter((each) => each !== false)
  return found.length === 0 ? `${plural(assigned, 'audit')} drawn` : found.join(', ')
}

/** The colour of the n-th line of a plot. */
export function lineColour(index: number): string {
  return lineColours[index % lineColours.length]!
}

const lineColours = [
  'thread-a',
  'thread-d',
  'thread-c',
  'thread-b',
  'wait',
  'good',
  'muted',
] as const

/** A loss as it is written. */
export function lossText(loss: number | null): string {
  return loss === null ? '—' : loss.toFixed(3)
}
