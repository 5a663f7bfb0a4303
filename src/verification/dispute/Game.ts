import { leafHash, verifyLeaf } from '../../exact/commit/merkle.ts'
import { rootFrom } from '../../exact/judgeable.ts'
import type { ExactClaim } from '../../protocol/ExactClaim.ts'
import * as Hex from '../../protocol/Hex.ts'
import { chainOf, sizeOf as valueSize } from '../judge/readsOf.ts'
import { limits } from '../../protocol/dispute/Move.ts'
import type * as Move from '../../protocol/dispute/Move.ts'
import { MoveError } from './MoveError.ts'
import { partsOf, type Party, type Position } from '../../protocol/dispute/Position.ts'
import { checkShown, proveArithmetic, proveRead, proveSlot, readJudged } from './proofs.ts'
import { climb, depth, fold, spanUnder, stride } from './tree.ts'

/**
 * The rules of `docs/disputes.md`: what a move makes of a position. Pure: it knows no clocks, no money, and
 * nothing of a run but what the moves bring. `contracts/src/Disputes.sol` plays the same.
 *
 * @throws {MoveError} when the move is not what it must be; it is refused, and nothing changes.
 *
 * @example
 * ```ts
 * const outcome = Game.play(claim, position, move)
 * if (outcome.type === 'end') settle(outcome.winner)
 * ```
 */
export function play(claim: ExactClaim, position: Position, move: Move.Move): Outcome {
  const { phase, turn } = position
  if (move.type === 'concede') return end(other(turn), 'conceded')
  const [mover, where] = legal[move.type]
  if (mover !== turn)
    throw new MoveError(
      'OutOfTurn',
      `A ${move.type} is the ${mover}'s, and it is the other's turn.`,
    )
  if (!where.includes(phase))
    throw new MoveError('WrongPhase', `A ${move.type} has no place in the phase ${phase}.`)
  switch (move.type) {
    case 'reveal':
      return reveal(claim, position, move)
    case 'pick':
      return pick(claim, position, move)
    case 'enter':
      return enter(claim, position, move)
    case 'dispute-after':
      return disputeAfter(position)
    case 'tensor':
      return tensor(position, move)
    case 'leaf':
      return leaf(position, move)
    case 'element':
      return element(position, move)
    case 'accumulators':
      return accumulators(position, move)
    case 'part':
      return part(position, move)
    case 'operands':
      return operands(position, move)
    case 'prove-read':
      proveRead(claim, position, move)
      return end('challenger', 'read')
    case 'prove-arithmetic':
      proveArithmetic(position, move)
      return end('challenger', 'arithmetic')
    case 'prove-slot':
      proveSlot(position, move)
      return end('challenger', 'slot')
  }
}

/** What follows from a move: the game goes on, or is over. */
export type Outcome =
  | { readonly type: 'position'; readonly position: Position }
  | { readonly type: 'end'; readonly winner: Party; readonly reason: Reason }

/** How a game ends on the board: by a proof against the claimant, or because somebody gives up. */
export type Reason = 'read' | 'arithmetic' | 'slot' | 'conceded'

/** Whose move each is, and in which phases. */
const legal: Readonly<
  Record<Exclude<Move.Move['type'], 'concede'>, readonly [Party, readonly Position['phase'][]]>
> = {
  reveal: ['claimant', ['run', 'trace', 'after', 'tensor']],
  pick: ['challenger', ['run', 'trace', 'after', 'tensor']],
  enter: ['claimant', ['step']],
  'dispute-after': ['challenger', ['trace']],
  tensor: ['claimant', ['value']],
  leaf: ['claimant', ['leaf']],
  element: ['challenger', ['leaf']],
  accumulators: ['claimant', ['chain']],
  part: ['challenger', ['chain']],
  operands: ['claimant', ['segment']],
  'prove-read': ['challenger', ['segment']],
  'prove-arithmetic': ['challenger', ['segment']],
  'prove-slot': ['challenger', ['slot']],
}

export { partsOf }

/** How many leaves the tree has in which `node` stands. */
export function leafCount({ steps }: Pick<ExactClaim, 'steps'>, position: Position): number {
  const { phase, batchCount, opCount, stateCount, byteLength } = position
  if (phase === 'run') return steps
  if (phase === 'trace') return batchCount + opCount
  return phase === 'after' ? stateCount : Math.ceil(byteLength / 256)
}

function reveal(claim: ExactClaim, position: Position, { nodes }: Move.Of<'reveal'>): Outcome {
  if (position.level === 0)
    throw new MoveError('WrongPhase', 'Nothing is under the leaf of a tree that has only one.')
  checkNodes(nodes, position.node, { ...position, count: leafCount(claim, position) })
  return next({ ...position, turn: 'challenger' })
}

/** Nodes must be as many as lie under a node, and hash to it. */
function checkNodes(
  nodes: readonly Hex.Hex[],
  node: Hex.Hex,
  at: { level: number; index: number; count: number },
): void {
  const { from, to } = spanUnder(at)
  if (nodes.length !== to - from)
    throw new MoveError('WrongNodes', `${to - from} nodes lie under the node, not ${nodes.length}.`)
  if (Hex.from(fold(nodes.map(Hex.toBytes))) !== node)
    throw new MoveError('WrongNodes', 'The nodes are not those under the node.')
}

function pick(claim: ExactClaim, position: Position, move: Move.Of<'pick'>): Outcome {
  const { phase, level, index } = position
  const count = leafCount(claim, position)
  const { from, to } = spanUnder({ level, index, count })
  const at = { child: move.child, count: to - from }
  const above = climb(Hex.toBytes(move.node), move.siblings.map(Hex.toBytes), at)
  if (!above || Hex.from(above) !== position.node)
    throw new MoveError('WrongPath', 'The siblings do not prove the node that was picked.')
  const picked = {
    ...position,
    node: move.node,
    level: level - stride(level),
    index: from + move.child,
  }
  const goesDown = picked.level > 0 || phase !== 'trace'
  if (goesDown !== (move.op === undefined))
    throw new MoveError('WrongLeaf', 'A leaf of the trace, and nothing else, comes with its op.')
  if (picked.level > 0) return next({ ...picked, turn: 'claimant' })
  if (phase === 'run') return next({ ...picked, phase: 'step', turn: 'claimant' })
  if (phase === 'after') return next({ ...picked, phase: 'slot' })
  if (phase === 'tensor') return next({ ...picked, phase: 'leaf', turn: 'claimant' })
  return next(withOp(picked, move.op!))
}

/** The position at a value of the trace, whose chain the graph's leaf says. */
function withOp(position: Position, opened: { leaf: Hex.Hex; path: readonly Hex.Hex[] }): Position {
  const { stateCount, batchCount, opCount, resultCount } = position
  const value = stateCount + position.index
  const bytes = Hex.toBytes(opened.leaf)
  const opening = { leaf: bytes, path: opened.path.map(Hex.toBytes) }
  const count = stateCount + batchCount + opCount + resultCount
  if (!verifyLeaf(Hex.toBytes(position.leaves), opening, { index: value, count }))
    throw new MoveError('WrongPath', `The leaf is not that of value ${value} of the graph.`)
  const read = readJudged(bytes)
  const { segments, width, initial } = chainOf(read)
  const chain = { low: 0, high: segments + 1, width, accIn: Hex.keccak256(initial) }
  const op = Hex.keccak256(bytes)
  return {
    ...position,
    ...valueSize(read),
    ...chain,
    phase: 'value',
    turn: 'claimant',
    value,
    op,
  }
}

function enter(claim: ExactClaim, position: Position, move: Move.Of<'enter'>): Outcome {
  const { header, before, after, trace } = move
  const step = position.index
  if (Hex.from(leafHash(Hex.toBytes(after))) !== position.node)
    throw new MoveError('WrongState', 'The state after the step is not that of the run.')
  if (step === claim.steps - 1 && after !== claim.end)
    throw new MoveError('WrongState', 'The last state of the run is not the end of the claim.')
  if (step === 0 ? before !== claim.start || move.path.length > 0 : !isInRun(claim, step - 1, move))
    throw new MoveError('WrongState', 'The state before the step is not that of the run.')
  const { state, batch, ops, results } = header
  const head = { version: 1, state, batch, ops, results, leavesRoot: Hex.toBytes(header.leaves) }
  if (Hex.from(rootFrom(head)) !== claim.graph)
    throw new MoveError('WrongGraph', 'The header is not that of the graph.')
  if (state < 1 || ops < 1 || batch > 1)
    throw new MoveError('WrongGraph', 'A graph in a claim has state, ops, and at most one batch.')
  const level = depth(batch + ops)
  checkNodes(move.nodes, trace, { level, index: 0, count: batch + ops })
  return next(entered(position, move))
}

/** Where an `enter` leads that is what it must be. */
export function entered(
  position: Position,
  { before, after, trace, header }: Pick<Move.Of<'enter'>, 'before' | 'after' | 'trace' | 'header'>,
): Position {
  const { state, batch, ops, results } = header
  return {
    ...position,
    stateCount: state,
    batchCount: batch,
    opCount: ops,
    resultCount: results,
    phase: 'trace',
    turn: 'challenger',
    step: position.index,
    before,
    after,
    trace,
    leaves: header.leaves,
    node: trace,
    level: depth(batch + ops),
    index: 0,
  }
}

function isInRun({ run, steps }: ExactClaim, index: number, move: Move.Of<'enter'>): boolean {
  const opening = { leaf: Hex.toBytes(move.before), path: move.path.map(Hex.toBytes) }
  return verifyLeaf(Hex.toBytes(run), opening, { index, count: steps })
}

function disputeAfter(position: Position): Outcome {
  const { batchCount, opCount, stateCount } = position
  if (position.level !== depth(batchCount + opCount))
    throw new MoveError('WrongPhase', 'A part of the trace is in dispute already.')
  const level = depth(stateCount)
  const at = { ...position, node: position.after, level, index: 0 }
  if (level === 0) return next({ ...at, phase: 'slot' })
  return next({ ...at, phase: 'after', turn: 'claimant' })
}

function tensor(position: Position, { root, nodes, bytes }: Move.Of<'tensor'>): Outcome {
  if (Hex.from(leafHash(Hex.toBytes(root))) !== position.node)
    throw new MoveError('WrongNodes', 'The root is not that of the value in the trace.')
  const count = Math.ceil(position.byteLength / 256)
  const level = depth(count)
  const at = { ...position, node: root, level, index: 0, turn: 'challenger' } as const
  if (level === 0) {
    if (nodes.length > 0)
      throw new MoveError('WrongNodes', 'The value is one leaf: show its bytes.')
    return next({ ...at, phase: 'leaf', shown: checkLeaf(at, bytes) })
  }
  if (bytes !== '0x')
    throw new MoveError('WrongBytes', 'The value has more than one leaf: show nodes.')
  checkNodes(nodes, root, { level, index: 0, count })
  return next({ ...at, phase: 'tensor' })
}

function leaf(position: Position, { bytes }: Move.Of<'leaf'>): Outcome {
  return next({ ...position, turn: 'challenger', shown: checkLeaf(position, bytes) })
}

/** The leaf of a tensor must be as long as it is there, and hash to the node. */
function checkLeaf({ node, index, byteLength }: Position, hex: Hex.Hex): Hex.Hex {
  const bytes = Hex.toBytes(hex)
  if (bytes.byteLength !== Math.min(256, byteLength - index * 256))
    throw new MoveError('WrongBytes', 'The leaf is too short or too long.')
  if (Hex.from(leafHash(bytes)) !== node)
    throw new MoveError('WrongBytes', 'The bytes are not those of the leaf.')
  return Hex.keccak256(bytes)
}

function element(position: Position, move: Move.Of<'element'>): Outcome {
  const bytes = checkShown(position, move.bytes)
  const { elementBytes, index, high } = position
  if ((move.place + 1) * elementBytes > bytes.byteLength)
    throw new MoveError('WrongPlace', `The leaf has no element ${move.place}.`)
  const stored = new Uint8Array(4)
  const from = move.place * elementBytes
  stored.set(bytes.subarray(from, from + elementBytes))
  return next({
    ...position,
    phase: high === 1 ? 'segment' : 'chain',
    turn: 'claimant',
    element: (index * 256) / elementBytes + move.place,
    accOut: Hex.keccak256(stored),
    shown: Hex.zero,
  })
}

function accumulators(position: Position, { bytes: hex }: Move.Of<'accumulators'>): Outcome {
  const bytes = Hex.toBytes(hex)
  const inner = partsOf(position).length - 2
  if (bytes.byteLength !== inner * position.width)
    throw new MoveError('WrongBytes', `Show ${inner} accumulators of ${position.width} bytes.`)
  return next({ ...position, turn: 'challenger', shown: Hex.keccak256(bytes) })
}

function part(position: Position, move: Move.Of<'part'>): Outcome {
  const bytes = checkShown(position, move.bytes)
  const bounds = partsOf(position)
  const [low, high] = [bounds[move.part], bounds[move.part + 1]]
  if (low === undefined || high === undefined)
    throw new MoveError('WrongPlace', `The chain has no part ${move.part}.`)
  const { width } = position
  const inner = (index: number) => Hex.keccak256(bytes.subarray(index * width, (index + 1) * width))
  return next({
    ...position,
    phase: high - low === 1 ? 'segment' : 'chain',
    turn: 'claimant',
    low,
    high,
    accIn: move.part === 0 ? position.accIn : inner(move.part - 1),
    accOut: move.part === bounds.length - 2 ? position.accOut : inner(move.part),
    shown: Hex.zero,
  })
}

function operands(position: Position, { bytes: hex }: Move.Of<'operands'>): Outcome {
  const bytes = Hex.toBytes(hex)
  if (bytes.byteLength > limits.operands)
    throw new MoveError('WrongBytes', `A segment reads at most ${limits.operands} bytes.`)
  return next({ ...position, turn: 'challenger', shown: Hex.keccak256(bytes) })
}

function next(position: Position): Outcome {
  return { type: 'position', position }
}

function end(winner: Party, reason: Reason): Outcome {
  return { type: 'end', winner, reason }
}

/** The party that a party plays against. */
export function other(party: Party): Party {
  return party === 'claimant' ? 'challenger' : 'claimant'
}
