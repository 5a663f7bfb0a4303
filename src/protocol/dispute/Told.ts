import { BaseError } from '../../runtime/Errors.ts'
import * as Hex from '../Hex.ts'
import type * as Move from './Move.ts'

/**
 * What the chain tells of a move: what the other party cannot know. The rest of the move, and the position
 * that it led to, follow from the graph and from where the dispute stood.
 */
export type Told =
  | { readonly type: 'reveal'; readonly nodes: readonly Hex.Hex[] }
  | {
      readonly type: 'enter'
      readonly before: Hex.Hex
      readonly after: Hex.Hex
      readonly trace: Hex.Hex
      readonly nodes: readonly Hex.Hex[]
    }
  /** `rest` are nodes side by side, or the bytes of the value's only leaf. */
  | { readonly type: 'tensor'; readonly root: Hex.Hex; readonly rest: Hex.Hex }
  | { readonly type: 'leaf' | 'accumulators' | 'operands'; readonly bytes: Hex.Hex }
  | { readonly type: 'pick'; readonly child: number }
  | { readonly type: 'element'; readonly place: number }
  | { readonly type: 'part'; readonly part: number }
  | { readonly type: 'dispute-after' }

/** What is told of a move; nothing of one that ends the dispute. */
export function from(move: Move.Move): Told | undefined {
  switch (move.type) {
    case 'reveal':
      return { type: move.type, nodes: move.nodes }
    case 'enter': {
      const { type, before, after, trace, nodes } = move
      return { type, before, after, trace, nodes }
    }
    case 'tensor': {
      const { type, root, nodes, bytes } = move
      return { type, root, rest: joined([...nodes, bytes]) }
    }
    case 'leaf':
    case 'accumulators':
    case 'operands':
      return { type: move.type, bytes: move.bytes }
    case 'pick':
      return { type: move.type, child: move.child }
    case 'element':
      return { type: move.type, place: move.place }
    case 'part':
      return { type: move.type, part: move.part }
    case 'dispute-after':
      return { type: move.type }
    case 'prove-read':
    case 'prove-arithmetic':
    case 'prove-slot':
    case 'concede':
      return undefined
  }
}

/**
 * Reads the `data` of the contract's `Moved` event.
 *
 * @throws {ToldError} when it is not as long as it must be.
 */
export function decode(type: Told['type'], data: Hex.Hex): Told {
  switch (type) {
    case 'reveal':
      return { type, nodes: wordsOf(data) }
    case 'enter': {
      const [before, after, trace, ...nodes] = wordsOf(data)
      if (!before || !after || !trace) throw new ToldError(type, data)
      return { type, before, after, trace, nodes }
    }
    case 'tensor':
      if (data.length < wordEnd) throw new ToldError(type, data)
      return { type, root: data.slice(0, wordEnd) as Hex.Hex, rest: `0x${data.slice(wordEnd)}` }
    case 'leaf':
    case 'accumulators':
    case 'operands':
      return { type, bytes: data }
    case 'pick':
      return { type, child: numberOf(type, data) }
    case 'element':
      return { type, place: numberOf(type, data) }
    case 'part':
      return { type, part: numberOf(type, data) }
    case 'dispute-after':
      return { type }
  }
}

/** Cuts bytes into words of 32. */
export function wordsOf(bytes: Hex.Hex): readonly Hex.Hex[] {
  if ((bytes.length - 2) % 64 !== 0) throw new ToldError('reveal', bytes)
  return (bytes.slice(2).match(/.{64}/g) ?? []).map((word): Hex.Hex => `0x${word}`)
}

function joined(parts: readonly Hex.Hex[]): Hex.Hex {
  return `0x${parts.map((part) => part.slice(2)).join('')}`
}

/** A child, place or part: none is larger than a byte. */
function numberOf(type: Told['type'], data: Hex.Hex): number {
  if (data.length !== wordEnd || BigInt(data) > 255n) throw new ToldError(type, data)
  return Number(data)
}

const wordEnd = 66

/** Thrown when an event does not say what such an event says. */
export class ToldError extends BaseError {
  override readonly code = 'Protocol.ToldError'

  constructor(type: Told['type'], data: Hex.Hex) {
    super(`The chain tells nothing sensible of a ${type}.`, {
      metaMessages: [
        `Data: ${data.slice(0, 200)}`,
        'Fix: check that the network file names the contract of disputes.',
      ],
    })
  }
}
