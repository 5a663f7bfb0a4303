/** Words for how disputes stand and end. */
import type * as Api from '../../src/indexer/Api.ts'
import { count } from './format.ts'

/** How a dispute stands, in two words. */
export const stateWords: Readonly<Record<Api.Dispute['state'], string>> = {
  open: 'open',
  'challenger-won': 'claim false',
  'claimant-won': 'claim stands',
  closed: 'closed',
}

/** Why it ended. */
export function reasonOf({ by, state }: Api.Dispute): string {
  const winner = state === 'challenger-won' ? 'challenger' : 'claimant'
  const loser = winner === 'challenger' ? 'claimant' : 'challenger'
  switch (by) {
    case null:
      return 'Nothing is decided yet.'
    case 'prove-arithmetic':
      return 'The contract computed one segment itself and got another number than was claimed.'
    case 'prove-read':
      return 'One number that the claimant says it computed from is not what stands in that place.'
    case 'prove-slot':
      return 'The state after a step does not hold what the step computed.'
    case 'concede':
      return `The ${loser} conceded.`
    case 'timeout':
      return `The ${loser} let its clock run out.`
    case 'close':
      return 'The claim had been rejected in another dispute.'
  }
}

/** Where a dispute stands, in one line. */
export function placeOf({ where }: Api.Dispute): string {
  const { steps, value, slots, element, segments } = where
  const parts = [
    steps.to - steps.from === 1
      ? `step ${count(steps.from)}`
      : `steps ${count(steps.from)}–${count(steps.to - 1)}`,
    slots && slots.to - slots.from === 1 && `state slot ${count(slots.from)}`,
    value !== null && `value ${count(value)}`,
    element !== null && `element ${count(element)}`,
    segments && segments.to - segments.from === 1 && `segment ${count(segments.from)}`,
  ]
  return parts.filter(Boolean).join(', ')
}

/** What is left of a party's clock now. */
export function leftOf(dispute: Api.Dispute, party: Api.Dispute['turn'], now: number): number {
  const left = party === 'claimant' ? dispute.claimantMs : dispute.challengerMs
  const runs = dispute.state === 'open' && dispute.turn === party
  return Math.max(0, runs ? left - Math.max(0, now - dispute.movedAt) : left)
}

/** `1:02:03`, or `12:34`. */
export function clockText(ms: number): string {
  const seconds = Math.ceil(ms / 1000)
  const two = (value: number) => String(value).padStart(2, '0')
  const minutes = `${Math.floor((seconds % 3600) / 60)}`
  const rest = two(seconds % 60)
  if (seconds < 3600) return `${minutes}:${rest}`
  return `${Math.floor(seconds / 3600)}:${two(Number(minutes))}:${rest}`
}

/** What each kind of op is, to somebody who has never seen it. */
export const operationWords: Readonly<Record<string, string>> = {
  batch: 'the tokens of the step',
  contract: 'a matrix product',
  'contract-i8': 'an integer matrix product',
  map: 'a formula for each element',
  reduce: 'a sum, or the largest, along an axis',
  reshape: 'the same elements in another shape',
  transpose: 'axes swapped',
  slice: 'a part cut out',
  concat: 'parts put side by side',
  broadcast: 'elements repeated',
  gather: 'rows looked up',
  place: 'a part put in its place',
  'scatter-add': 'rows added where an index says',
  philox: 'a random draw from a seed',
}
