import * as Hex from '../../protocol/Hex.ts'
import type * as Move from '../../protocol/dispute/Move.ts'
import { MoveError } from './MoveError.ts'

/** The nodes that a claimant has shown, in a reveal or beneath a root. */
export function nodesOf(shown: Move.Move): readonly Hex.Hex[] {
  if (shown.type === 'reveal' || shown.type === 'enter' || shown.type === 'tensor')
    return shown.nodes
  throw new MoveError('WrongNodes', `A ${shown.type} shows no nodes: give the claimant's moves.`)
}

/** The bytes that a claimant has shown. */
export function bytesOf(shown: Move.Move): Uint8Array {
  const { type } = shown
  if (type === 'tensor' || type === 'leaf' || type === 'accumulators' || type === 'operands')
    return Hex.toBytes(shown.bytes)
  throw new MoveError('WrongBytes', `A ${type} shows no bytes: give the claimant's moves.`)
}

/** The nodes of the trace that a claimant has shown, each reveal from the root of the trace down to its value. */
export function traceShown(history: readonly Move.Move[]): readonly (readonly Uint8Array[])[] {
  const from = history.findIndex(({ type }) => type === 'enter')
  const to = history.findIndex(({ type }) => type === 'tensor')
  const moves = from < 0 ? [] : history.slice(from, to < 0 ? undefined : to)
  return moves.map((move) => nodesOf(move).map(Hex.toBytes))
}
