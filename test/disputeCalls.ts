/** Moves of a dispute as calls of the contracts, for tests that hold the two to each other. */
import type { disputeRules } from '../src/chain/artifacts.ts'
import type { ExactClaim } from '../src/protocol/ExactClaim.ts'
import * as Hex from '../src/protocol/Hex.ts'
import type * as Move from '../src/verification/dispute/Move.ts'
import * as Position from '../src/verification/dispute/Position.ts'

type Functions = Extract<(typeof disputeRules.abi)[number], { readonly type: 'function' }>
export type Call = { readonly functionName: Functions['name']; readonly args: readonly unknown[] }

/** The function of `DisputeRules`, and of `Disputes`, that is this move. */
export function callOf(
  claim: ExactClaim,
  position: Position.Position,
  move: Exclude<Move.Move, { type: 'concede' }>,
): Call {
  const key = { claim: Hex.zero, challenger: `0x${'00'.repeat(20)}` }
  const common = [key, structOf(position)]
  const call = (functionName: Call['functionName'], ...args: readonly unknown[]): Call => ({
    functionName,
    args: [...common, ...args],
  })
  switch (move.type) {
    case 'reveal':
      return call('reveal', move.nodes)
    case 'pick': {
      const pick = [BigInt(move.child), move.node, move.siblings]
      return move.op
        ? call('pickValue', ...pick, move.op.leaf, move.op.path)
        : call('pick', ...pick)
    }
    case 'enter': {
      const { state, batch, ops, results, leaves } = move.header
      const counts = { stateCount: state, batchCount: batch, opCount: ops, resultCount: results }
      const header = { ...counts, leaves }
      const { before, path, after, trace, nodes } = move
      return call('enter', claim, before, path, after, header, trace, nodes)
    }
    case 'dispute-after':
      return call('disputeAfter')
    case 'tensor':
      return call('tensor', move.root, move.nodes, move.bytes)
    case 'leaf':
      return call('showLeaf', move.bytes)
    case 'element':
      return call('pickElement', BigInt(move.place), move.bytes)
    case 'accumulators':
      return call('accumulators', move.bytes)
    case 'part':
      return call('pickPart', BigInt(move.part), move.bytes)
    case 'operands':
      return call('operands', move.bytes)
    case 'prove-read': {
      const { op, operands, opening, read } = move
      const { leaf, leafPath } = opening
      if (opening.source === 'data') {
        const { byteLength, bytesRoot } = opening
        const data = { byteLength: BigInt(byteLength), bytesRoot, leaf, leafPath }
        return call('proveDraw', claim, op, operands, data)
      }
      const name = opening.source === 'state' ? opening.name : Hex.zero
      const { root, path: rootPath } = opening
      return call('proveRead', op, operands, BigInt(read), { name, root, rootPath, leaf, leafPath })
    }
    case 'prove-arithmetic':
      return call('proveArithmetic', move.op, move.accIn, move.operands)
    case 'prove-slot': {
      const { slot, next } = move
      return call('proveSlot', slot.leaf, slot.path, next.name, next.root, next.path)
    }
  }
}

/** A position as the contracts take it. */
export function structOf(position: Position.Position): Readonly<Record<string, unknown>> {
  const large = new Set<string>(['index', 'byteLength', 'element'])
  const names: Readonly<Record<string, string>> = { before: 'stateBefore', after: 'stateAfter' }
  return Object.fromEntries(
    Position.fields.map((field) => {
      const value = Position.numeric(position, field)
      return [names[field] ?? field, large.has(field) ? BigInt(value) : value]
    }),
  )
}
