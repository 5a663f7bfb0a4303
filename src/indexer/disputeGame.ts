/**
 * Where a dispute stands, by what the chain tells of it. Nothing is checked here: the contract has done so. What a
 * graph says of an op is not known until a later move brings its position, which then counts.
 */
import type { Made } from '../chain/Chain.ts'
import type * as Move from '../protocol/dispute/Move.ts'
import { depth, partsOf, type Position, stride } from '../protocol/dispute/Position.ts'
import type { Told } from '../protocol/dispute/Told.ts'
import type { ExactClaim } from '../protocol/ExactClaim.ts'
import * as Hex from '../protocol/Hex.ts'
import type { DisputeSegment, Span, Where } from './Api.ts'

/** The position after a move, as far as it can be known; its hashes are not kept up. */
export function follow(before: Position, told: Told, made: Made | undefined): Position {
  const at = made?.position ?? before
  const move = made?.move
  switch (told.type) {
    case 'reveal':
    case 'leaf':
    case 'accumulators':
    case 'operands':
      return { ...at, turn: 'challenger' }
    case 'pick':
      return picked(at, told.child)
    case 'enter':
      return entered(at, move?.type === 'enter' ? move : undefined)
    case 'dispute-after': {
      const after = { ...at, index: 0, level: depth(at.stateCount) }
      if (after.level === 0) return { ...after, phase: 'slot' }
      return { ...after, phase: 'after', turn: 'claimant' }
    }
    case 'tensor': {
      const level = depth(Math.ceil(at.byteLength / 256))
      const phase = level === 0 ? 'leaf' : 'tensor'
      return { ...at, phase, turn: 'challenger', level, index: 0 }
    }
    case 'element': {
      const element = (at.index * 256) / Math.max(1, at.elementBytes) + told.place
      return { ...at, phase: at.high === 1 ? 'segment' : 'chain', turn: 'claimant', element }
    }
    case 'part': {
      const bounds = partsOf(at)
      const [low = at.low, high = at.high] = [bounds[told.part], bounds[told.part + 1]]
      return { ...at, phase: high - low === 1 ? 'segment' : 'chain', turn: 'claimant', low, high }
    }
  }
}

function picked(at: Position, child: number): Position {
  const down = stride(at.level)
  const next = { ...at, level: at.level - down, index: at.index * 2 ** down + child }
  if (next.level > 0) return { ...next, turn: 'claimant' }
  if (at.phase === 'run') return { ...next, phase: 'step', turn: 'claimant' }
  if (at.phase === 'after') return { ...next, phase: 'slot' }
  if (at.phase === 'tensor') return { ...next, phase: 'leaf', turn: 'claimant' }
  const value = at.stateCount + next.index
  const unread = { byteLength: 0, elementBytes: 0, width: 0, low: 0, high: 0 }
  return { ...next, ...unread, phase: 'value', turn: 'claimant', value }
}

function entered(at: Position, move: Move.Of<'enter'> | undefined): Position {
  const { state = 0, batch = 0, ops = 0, results = 0 } = move?.header ?? {}
  return {
    ...at,
    phase: 'trace',
    turn: 'challenger',
    step: at.index,
    level: depth(batch + ops),
    index: 0,
    stateCount: state,
    batchCount: batch,
    opCount: ops,
    resultCount: results,
  }
}

/** What is agreed and what is still in dispute. */
export function whereOf(position: Position, { steps }: Pick<ExactClaim, 'steps'>): Where {
  const { phase, stateCount, batchCount, opCount, byteLength, elementBytes, low, high } = position
  const isInRun = phase === 'run' || phase === 'step'
  const isAfter = phase === 'after' || phase === 'slot'
  const values = batchCount + opCount
  const isInValue = !isInRun && !isAfter && phase !== 'trace'
  const isInChain = phase === 'chain' || phase === 'segment'
  const leaves = Math.ceil(byteLength / 256)
  return {
    phase,
    steps: isInRun ? spanOf(position, steps) : one(position.step, steps),
    values:
      isInRun || isAfter || values === 0
        ? null
        : isInValue
          ? one(position.value - stateCount, values)
          : spanOf(position, values),
    value: isInValue ? position.value : null,
    slots: isAfter ? spanOf(position, stateCount) : null,
    bytes:
      !isInValue || byteLength === 0
        ? null
        : isInChain
          ? bytesOf(position)
          : phase === 'value'
            ? { from: 0, to: byteLength, of: byteLength }
            : scaled(spanOf(position, leaves), byteLength),
    elementBytes: elementBytes === 0 ? null : elementBytes,
    element: isInChain ? position.element : null,
    segments: isInChain ? { from: low, to: high } : null,
  }
}

/** Leaves under a node. */
export function spanOf({ level, index }: Pick<Position, 'level' | 'index'>, count: number): Span {
  const from = index * 2 ** level
  return { from, to: Math.min((index + 1) * 2 ** level, count), of: count }
}

function one(at: number, of: number): Span {
  return { from: at, to: at + 1, of }
}

function bytesOf({ element, elementBytes, byteLength }: Position): Span {
  return { from: element * elementBytes, to: (element + 1) * elementBytes, of: byteLength }
}

function scaled({ from, to }: Span, byteLength: number): Span {
  return { from: from * 256, to: Math.min(to * 256, byteLength), of: byteLength }
}

/** What is known of the op and the segment in dispute, before anything was shown of them. */
export const nothingShown: DisputeSegment = {
  op: null,
  accIn: null,
  accOut: null,
  operands: null,
  proof: null,
}

/** What is known of them after a move. */
export function shown(before: DisputeSegment, { position, move }: Made): DisputeSegment {
  switch (move.type) {
    case 'pick':
      return move.op ? { ...nothingShown, op: move.op.leaf } : before
    case 'element': {
      const from = move.place * position.elementBytes
      const stored = new Uint8Array(4)
      stored.set(Hex.toBytes(move.bytes).subarray(from, from + position.elementBytes))
      return { ...before, accOut: Hex.from(stored) }
    }
    case 'part': {
      const bytes = Hex.toBytes(move.bytes)
      const { width } = position
      const inner = (at: number) => Hex.from(bytes.subarray(at * width, (at + 1) * width))
      const last = partsOf(position).length - 2
      return {
        ...before,
        accIn: move.part === 0 ? before.accIn : inner(move.part - 1),
        accOut: move.part === last ? before.accOut : inner(move.part),
      }
    }
    case 'operands':
      return { ...before, operands: move.bytes }
    case 'prove-read': {
      const { op, operands, read, opening } = move
      return { ...before, op, operands, proof: { type: 'read', read, opening } }
    }
    case 'prove-arithmetic': {
      const { op, operands, accIn } = move
      return { ...before, op, operands, accIn, proof: { type: 'arithmetic' } }
    }
    case 'prove-slot': {
      const { slot, next } = move
      return { ...before, proof: { type: 'slot', slot: slot.leaf, next: next.root } }
    }
    case 'reveal':
    case 'enter':
    case 'dispute-after':
    case 'tensor':
    case 'leaf':
    case 'accumulators':
    case 'concede':
      return before
  }
}
