import { decodeFunctionData, encodeFunctionData } from 'viem'
import type * as DisputeKey from '../protocol/dispute/DisputeKey.ts'
import type * as Move from '../protocol/dispute/Move.ts'
import * as Position from '../protocol/dispute/Position.ts'
import type { ExactClaim } from '../protocol/ExactClaim.ts'
import * as Hex from '../protocol/Hex.ts'
import { disputes } from './artifacts.ts'
import type { Made } from './ChainDisputes.ts'

/** A move of a dispute as the contract's call: `Disputes` has a function for each. */
export function encodeMove(options: encodeMove.Options): Hex.Hex {
  const { key, position, move } = options
  if (move.type === 'concede')
    return encodeFunctionData({ abi: disputes.abi, functionName: 'concede', args: [key] })
  const { functionName, args } = callOf(options.claim, move)
  // The names and arguments of the moves are in the type of `callOf`; a union of them is beyond viem's types.
  const call = { abi: disputes.abi, functionName, args: [key, structOf(position), ...args] }
  return encodeFunctionData(call as never)
}

export declare namespace encodeMove {
  type Options = {
    readonly claim: ExactClaim
    readonly key: DisputeKey.DisputeKey
    readonly position: Position.Position
    readonly move: Move.Move
  }
}

type Functions = Extract<(typeof disputes.abi)[number], { readonly type: 'function' }>
type Call = { readonly functionName: Functions['name']; readonly args: readonly unknown[] }

/** The function of a move, and what it takes besides key and position. */
export function callOf(claim: ExactClaim, move: Exclude<Move.Move, { type: 'concede' }>): Call {
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
      const { before, path, after, trace, nodes } = move
      return call('enter', claim, before, path, after, { ...counts, leaves }, trace, nodes)
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
    case 'prove-read':
      return proofOfRead(claim, move)
    case 'prove-arithmetic':
      return call('proveArithmetic', move.op, move.accIn, move.operands)
    case 'prove-slot': {
      const { slot, next } = move
      return call('proveSlot', slot.leaf, slot.path, next.name, next.root, next.path)
    }
  }
}

function call(functionName: Call['functionName'], ...args: readonly unknown[]): Call {
  return { functionName, args }
}

function proofOfRead(
  claim: ExactClaim,
  { op, operands, opening, read }: Move.Of<'prove-read'>,
): Call {
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

/** Words of 64 bits, which viem takes as bigints. */
const large = new Set<keyof Position.Position>(['index', 'byteLength', 'element'])
/** Solidity keeps one of the words for itself. */
const renamed: Partial<Record<keyof Position.Position, string>> = {
  before: 'stateBefore',
  after: 'stateAfter',
}

/** A position as the contract takes it. */
export function structOf(position: Position.Position): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Position.fields.map((field) => {
      const value = Position.numeric(position, field)
      return [renamed[field] ?? field, large.has(field) ? BigInt(value) : value]
    }),
  )
}

/** What `structOf` made of a position. */
export function positionOf(struct: Readonly<Record<string, unknown>>): Position.Position {
  const fields = Position.fields.map((field) => {
    const value = struct[renamed[field] ?? field]
    if (field === 'phase') return [field, Position.phases[value as number]]
    if (field === 'turn') return [field, Position.parties[value as number]]
    return [field, typeof value === 'bigint' ? Number(value) : value]
  })
  return Object.fromEntries(fields) as Position.Position
}

/** The move in a transaction's input; undefined when it is none, or hidden behind another contract. */
export function decodeMove(input: Hex.Hex): Made | undefined {
  try {
    const { functionName, args } = decodeFunctionData({ abi: disputes.abi, data: input })
    const [, struct, ...rest] = args as unknown as [unknown, Readonly<Record<string, unknown>>]
    const move = readers[functionName]?.(...(rest as never[]))
    return move && { position: positionOf(struct), move }
  } catch {
    return undefined
  }
}

type Bytes = Hex.Hex
type Nodes = readonly Hex.Hex[]
type TensorOpening = { name: Bytes; root: Bytes; rootPath: Nodes; leaf: Bytes; leafPath: Nodes }
type DataOpening = { byteLength: bigint; bytesRoot: Bytes; leaf: Bytes; leafPath: Nodes }
type Header = {
  stateCount: number
  batchCount: number
  opCount: number
  resultCount: number
  leaves: Bytes
}

/** Reads the arguments after key and position, which the contract has found to be right. */
const readers: Readonly<
  Partial<Record<Functions['name'], (...args: readonly never[]) => Move.Move>>
> = {
  reveal: (nodes: Nodes) => ({ type: 'reveal', nodes: [...nodes] }),
  pick: (child: bigint, node: Bytes, siblings: Nodes) => ({
    type: 'pick',
    child: Number(child),
    node,
    siblings: [...siblings],
  }),
  pickValue: (child: bigint, node: Bytes, siblings: Nodes, leaf: Bytes, path: Nodes) => ({
    type: 'pick',
    child: Number(child),
    node,
    siblings: [...siblings],
    op: { leaf, path: [...path] },
  }),
  enter(
    _claim: unknown,
    before: Bytes,
    path: Nodes,
    after: Bytes,
    header: Header,
    trace: Bytes,
    nodes: Nodes,
  ) {
    const { stateCount: state, batchCount: batch, opCount: ops, resultCount: results } = header
    return {
      type: 'enter',
      before,
      path: [...path],
      after,
      header: { state, batch, ops, results, leaves: header.leaves },
      trace,
      nodes: [...nodes],
    }
  },
  disputeAfter: () => ({ type: 'dispute-after' }),
  tensor: (root: Bytes, nodes: Nodes, bytes: Bytes) => ({
    type: 'tensor',
    root,
    nodes: [...nodes],
    bytes,
  }),
  showLeaf: (bytes: Bytes) => ({ type: 'leaf', bytes }),
  pickElement: (place: bigint, bytes: Bytes) => ({ type: 'element', place: Number(place), bytes }),
  accumulators: (bytes: Bytes) => ({ type: 'accumulators', bytes }),
  pickPart: (part: bigint, bytes: Bytes) => ({ type: 'part', part: Number(part), bytes }),
  operands: (bytes: Bytes) => ({ type: 'operands', bytes }),
  proveRead(op: Bytes, operands: Bytes, read: bigint, given: TensorOpening) {
    const { name, root, rootPath, leaf, leafPath } = given
    const common = { root, path: [...rootPath], leaf, leafPath: [...leafPath] }
    const opening: Move.Opening =
      name === Hex.zero ? { source: 'trace', ...common } : { source: 'state', name, ...common }
    return { type: 'prove-read', op, operands, read: Number(read), opening }
  },
  proveDraw(_claim: unknown, op: Bytes, operands: Bytes, given: DataOpening) {
    const { bytesRoot, leaf, leafPath } = given
    const byteLength = Number(given.byteLength)
    const data = { byteLength, bytesRoot, leaf, leafPath: [...leafPath] }
    return { type: 'prove-read', op, operands, read: 0, opening: { source: 'data', ...data } }
  },
  proveArithmetic: (op: Bytes, accIn: Bytes, operands: Bytes) => ({
    type: 'prove-arithmetic',
    op,
    accIn,
    operands,
  }),
  proveSlot: (leaf: Bytes, path: Nodes, name: Bytes, root: Bytes, rootPath: Nodes) => ({
    type: 'prove-slot',
    slot: { leaf, path: [...path] },
    next: { name, root, path: [...rootPath] },
  }),
}
