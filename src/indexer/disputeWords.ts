/** What happens in a dispute, in sentences for people who do not know the game. */
import type { EndedBy, Made } from '../chain/Chain.ts'
import type { Position } from '../protocol/dispute/Position.ts'
import type { Told } from '../protocol/dispute/Told.ts'
import type { ExactClaim } from '../protocol/ExactClaim.ts'
import { spanOf, whereOf } from './disputeGame.ts'

/** A move, by where the dispute stood before it and where it stands after. */
export function moveWords(
  { steps }: Pick<ExactClaim, 'steps'>,
  told: Told,
  { before, after }: { before: Position; after: Position },
): string {
  switch (told.type) {
    case 'reveal':
      return `Shows ${plural(told.nodes.length, 'root')}: ${shownRoots[before.phase] ?? 'beneath what it is bound to'}.`
    case 'pick':
      return pickWords(before, after, steps)
    case 'enter':
      return `Opens step ${count(before.index)}: the state before it, the state after it, and the roots over its ${valuesOf(after)}.`
    case 'dispute-after':
      return 'Agrees with every value that the step computes, and not with the state that it leaves.'
    case 'tensor':
      return after.phase === 'leaf'
        ? `Shows the bytes of value ${count(before.value)}.`
        : `Shows the root of value ${count(before.value)}, and the roots of its parts.`
    case 'leaf':
      return `Shows the bytes of that part: ${elementsIn(before, byteSize(told.bytes))}.`
    case 'element':
      return `Agrees with the elements before element ${count(after.element)}, and not with that one.`
    case 'accumulators':
      return `Shows what stood in the accumulator between the parts of the element's chain.`
    case 'part':
      return after.high - after.low === 1
        ? `Agrees up to segment ${count(after.low)} of the chain, and not with what that segment gives.`
        : `Agrees up to segment ${count(after.low)} of the chain; the first that differs is one of ${range(after.low, after.high)}.`
    case 'operands':
      return `Shows what segment ${count(before.low)} reads.`
  }
}

const shownRoots: Readonly<Partial<Record<Position['phase'], string>>> = {
  run: 'of the states along the run',
  trace: 'of the values of the step',
  after: 'of the parts of the state after the step',
  tensor: 'of the parts of the value',
}

function pickWords(before: Position, after: Position, steps: number): string {
  const { phase, stateCount, batchCount, opCount } = before
  if (phase === 'run') {
    const { from, to } = spanOf(after, steps)
    if (to - from === 1)
      return `Agrees with the state before step ${count(from)}, and not with the one after it.`
    return firstWrong('step', { from, to, agreed: `every state up to step ${count(from)}` })
  }
  if (phase === 'trace') {
    const span = spanOf(after, batchCount + opCount)
    const [from, to] = [stateCount + span.from, stateCount + span.to]
    const agreed = span.from === 0 ? undefined : `every value before value ${count(from)}`
    return firstWrong('value', { from, to, agreed })
  }
  if (phase === 'after') {
    const { from, to } = spanOf(after, stateCount)
    const agreed = from === 0 ? undefined : `every slot before slot ${count(from)}`
    return firstWrong('slot of the state', { from, to, agreed })
  }
  const { bytes } = whereOf(after, { steps })
  if (!bytes) return 'Points at the first part of the value that is wrong.'
  const size = Math.max(1, before.elementBytes)
  const [from, to] = [bytes.from / size, bytes.to / size]
  const agreed = from === 0 ? undefined : `every element before element ${count(from)}`
  return firstWrong('element', { from, to, agreed })
}

function firstWrong(
  what: string,
  { from, to, agreed }: { from: number; to: number; agreed: string | undefined },
): string {
  const isOne = to - from === 1
  const which = isOne ? `number ${count(from)}` : `one of ${range(from, to)}`
  return agreed === undefined || from === 0
    ? `Says that the first wrong ${what} is ${which}.`
    : `Agrees with ${agreed}; the first wrong ${what} is ${which}.`
}

/** How a dispute ends. */
export function endWords(by: EndedBy, made: Made | undefined): string {
  switch (by) {
    case 'prove-read': {
      const read = made?.move.type === 'prove-read' ? ` ${count(made.move.read)}` : ''
      return `Proves that operand${read} is not what stands in the tensor that it is read from.`
    }
    case 'prove-arithmetic':
      return 'Has the contract compute the segment: it gives another result than was claimed.'
    case 'prove-slot':
      return 'Proves that the state after the step does not hold the value that the step computed for it.'
    case 'concede':
      return 'Concedes.'
    case 'timeout':
      return 'Lets its clock run out, and loses.'
    case 'close':
      return 'The claim was rejected in another dispute; this one is closed and the bond given back.'
  }
}

/** The parties went on from where they had come off the chain. */
export function adoptWords(number: number): string {
  return `Played off the chain up to move ${count(number)}; both have signed where that led, and the chain goes on from there.`
}

function valuesOf({ batchCount, opCount }: Position): string {
  const values = batchCount + opCount
  return values === 0 ? 'values' : plural(values, 'value')
}

function elementsIn({ elementBytes }: Position, bytes: number): string {
  return elementBytes === 0
    ? plural(bytes, 'byte')
    : plural(Math.floor(bytes / elementBytes), 'element')
}

function byteSize(hex: string): number {
  return (hex.length - 2) / 2
}

function range(from: number, to: number): string {
  return to - from === 1 ? count(from) : `${count(from)} to ${count(to - 1)}`
}

function plural(value: number, one: string): string {
  return `${count(value)} ${one}${value === 1 ? '' : 's'}`
}

function count(value: number): string {
  return value.toLocaleString('en-US')
}
